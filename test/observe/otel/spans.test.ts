import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import Type from 'typebox'
import { WebSocket, WebSocketServer } from 'ws'
import { startDryRun } from '../../../cli/dry-run.ts'
import type { GatewayDefinition } from '../../../config/define-gateway.ts'
import { resolveConfig } from '../../../config/resolve-config.ts'
import compose from '../../../plugins/compose.ts'
import forward from '../../../plugins/forward.ts'
import websocket from '../../../plugins/websocket.ts'
import { startTokens } from '../../../testing.ts'
import { call, startGateway, startService } from '../../harness.ts'
import { until } from '../../until.ts'
import { type ReceivedSpan, startCollector } from './collector.ts'
import { exportTo } from './environment.ts'

/** Starts a gateway with traces and a collector. `ended` waits for that number of spans. */
async function start(t: Test, definition: GatewayDefinition) {
  const collector = await startCollector(t)
  exportTo(t, collector, 'http/protobuf')
  const { url } = await startGateway(t, { otel: {}, ...definition })
  const { spans } = collector
  return { url, spans, ended: (count: number) => until(() => spans.length === count) }
}

const byKind = (spans: ReceivedSpan[], kind: ReceivedSpan['kind']) => spans.filter(one => one.kind === kind)

t.test('requests that wait for keys link to the one that fetches them', async t => {
  const tokens = await startTokens(t)
  const waiting: (() => void)[] = []
  const keys = await (await fetch(tokens.options.jwksUri)).text()
  const jwksUri = await startService(t, (_request, response) => void waiting.push(() => response.end(keys)))
  const { url, spans, ended } = await start(t, {
    issuers: { auth: { ...tokens.options, jwksUri } },
    scopes: {
      api: {
        prefix: '/api',
        jwt: 'auth',
        routes: async app => {
          app.get('/', async () => 'ok')
        }
      }
    }
  })
  const ask = (sub: string) =>
    call(`${url}/api`, { headers: { authorization: `Bearer ${tokens.token({ sub })}` } })
  const first = ask('ada')
  await until(() => waiting.length === 1)
  const second = ask('grace')
  // The second has been received once a third, which needs no keys, has its response.
  t.equal((await call(`${url}/api`)).status, 401)
  waiting[0]?.()
  t.same([(await first).status, (await second).status], [200, 200])
  await ended(4)
  const [client] = byKind(spans, 'CLIENT')
  const fetching = spans.find(({ spanId }) => spanId === client?.parentSpanId)
  t.match(fetching, { kind: 'SERVER', links: [] })
  const linking = spans.filter(({ links }) => links.length > 0)
  t.equal(linking.length, 1)
  t.same(linking[0]?.links, [{ traceId: fetching?.traceId, spanId: fetching?.spanId }])
  t.not(linking[0]?.traceId, fetching?.traceId)
})

t.test('a mirrored request is a call of the exchange, with a parent of its own', async t => {
  const seen: string[] = []
  const service = await startService(t, ({ headers }, response) => {
    seen.push(String(headers.traceparent).slice(36, 52))
    response.end('ok')
  })
  const { url, spans, ended } = await start(t, {
    upstreams: { real: { url: service, mirror: { to: 'copy' } }, copy: { url: service } },
    scopes: {
      api: {
        prefix: '/api',
        routes: async app => {
          await app.register(forward)
          app.forward({ method: 'GET', url: '/', upstream: 'real', prefix: '/' })
        }
      }
    }
  })
  await call(`${url}/api`)
  await ended(3)
  const [server] = byKind(spans, 'SERVER')
  const calls = byKind(spans, 'CLIENT')
  t.same(
    calls.map(({ parentSpanId }) => parentSpanId),
    [server?.spanId, server?.spanId]
  )
  t.same(
    calls.map(({ attributes }) => [attributes['service.peer.name'], attributes['sluice.mirror']]).sort(),
    [
      ['copy', true],
      ['real', undefined]
    ]
  )
  t.same(seen.sort(), calls.map(({ spanId }) => spanId).sort())
})

t.test('a part from the cache has a span without a call', async t => {
  const service = await startService(t, (_request, response) =>
    response.setHeader('content-type', 'application/json').end('[1]')
  )
  const { url, spans, ended } = await start(t, {
    upstreams: { numbers: { url: service } },
    scopes: {
      api: {
        prefix: '/api',
        routes: async app => {
          await app.register(compose)
          app.compose({
            url: '/',
            parts: {
              numbers: {
                upstream: 'numbers',
                upstreamResponse: Type.Array(Type.Integer()),
                path: () => '/',
                cache: { ttl: 60_000, shared: true }
              }
            },
            response: Type.Object({ numbers: Type.Any() }),
            toClient: ({ numbers }) => ({ numbers })
          })
        }
      }
    }
  })
  for (let i = 0; i < 2; i++) t.same((await call(`${url}/api`)).json, { numbers: [1] })
  await ended(5)
  t.equal(byKind(spans, 'INTERNAL').length, 2)
  t.equal(byKind(spans, 'CLIENT').length, 1)
})

t.test('a WebSocket connection is a call with the status 101', async t => {
  const server = createServer()
  const sockets = new WebSocketServer({ server })
  const seen: string[] = []
  sockets.on('connection', (socket, { headers }) => {
    seen.push(String(headers.traceparent).slice(36, 52))
    socket.on('message', data => socket.send(String(data)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const { url, spans, ended } = await start(t, {
    upstreams: { chat: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` } },
    scopes: {
      chat: {
        prefix: '/chat',
        routes: async app => {
          await app.register(websocket)
          app.websocket({ url: '/', upstream: 'chat', prefix: '/' })
        }
      }
    }
  })
  const socket = new WebSocket(`${url.replace('http', 'ws')}/chat`)
  await once(socket, 'open')
  socket.send('hi')
  t.equal(String((await once(socket, 'message'))[0]), 'hi')
  socket.close()
  await ended(2)
  const [client] = byKind(spans, 'CLIENT')
  t.match(client, { isError: false, attributes: { 'http.response.status_code': 101 } })
  t.same(seen, [client?.spanId])
  t.match(byKind(spans, 'SERVER')[0], { name: 'GET /chat', spanId: client?.parentSpanId })
})

t.test('a request that its client aborts has a span with the cause', async t => {
  const service = await startService(t, () => {})
  const { url, spans, ended } = await start(t, {
    upstreams: { slow: { url: service } },
    scopes: {
      api: {
        prefix: '/api',
        routes: async app => {
          await app.register(forward)
          app.forward({ method: 'GET', url: '/', upstream: 'slow', prefix: '/' })
        }
      }
    }
  })
  const aborting = new AbortController()
  const asked = fetch(`${url}/api`, { signal: aborting.signal })
  setTimeout(() => aborting.abort(), 100)
  await t.rejects(asked)
  await ended(2)
  t.match(byKind(spans, 'SERVER')[0], { isError: true, attributes: { 'error.type': 'client-aborted' } })
  t.match(byKind(spans, 'CLIENT')[0], { isError: true, attributes: { 'error.type': 'client-aborted' } })
})

t.test('spans are redacted like recordings', async t => {
  const service = await startService(t, (_request, response) => response.end('ok'))
  const { url, spans, ended } = await start(t, {
    redact: { names: ['pin'] },
    upstreams: { users: { url: service } },
    scopes: {
      api: {
        prefix: '/api',
        routes: async app => {
          await app.register(forward)
          app.forward({ method: 'GET', url: '/:pin/*', upstream: 'users', prefix: '/:pin' })
          app.forward({ method: 'GET', url: '/open', upstream: 'users', prefix: '' })
        }
      }
    }
  })
  await call(`${url}/api/1234/a?page=1`)
  await call(`${url}/api/open?pin=1234&page=1`)
  await ended(4)
  t.notMatch(JSON.stringify(spans.map(({ attributes }) => attributes)), '1234')
  t.same(spans.map(({ attributes }) => attributes['url.query'] ?? attributes['url.full']).sort(), [
    `${service}/[redacted]`,
    `${service}/open?pin=[redacted]&page=1`,
    'page=1',
    'pin=[redacted]&page=1'
  ])
})

t.test('a dry run records no spans', async t => {
  const collector = await startCollector(t)
  exportTo(t, collector, 'http/protobuf')
  const config = resolveConfig(
    {
      default: {
        otel: {},
        scopes: {
          api: {
            prefix: '/api',
            routes: async app => {
              app.addHook('onRequest', async request => void request.startSpan('own').end())
              app.get('/', async () => 'ok')
            }
          }
        }
      } satisfies GatewayDefinition
    },
    {}
  )
  const dryRun = await startDryRun(config)
  const { exchange } = await dryRun.send(Buffer.from('GET /api HTTP/1.1\r\nhost: a\r\n\r\n'), '127.0.0.1')
  t.equal(exchange?.span, undefined)
  await dryRun.close()
  t.same(collector.spans, [])
})
