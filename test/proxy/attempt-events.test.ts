import { once } from 'node:events'
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import { Type } from 'typebox'
import type { GatewayDefinition } from '../../config/define-gateway.ts'
import compose from '../../plugins/compose.ts'
import type { UpstreamAttempt } from '../../proxy/upstream-attempt.ts'
import { call, closedPort, startGateway, startService, startTcpService } from '../harness.ts'
import { forwarding, until } from './service.ts'

type Tap = { teardown(end: () => unknown): void }

/** Starts a gateway whose attempts are noted: `started` in order of their start, `ended` of their end. */
async function start(t: Tap, definition: GatewayDefinition) {
  const { gateway, url } = await startGateway(t, definition)
  const started: UpstreamAttempt[] = []
  const ended: UpstreamAttempt[] = []
  gateway.onAttemptStart(attempt => started.push(attempt))
  gateway.onAttemptEnd(attempt => ended.push(attempt))
  return { gateway, url: `${url}/orders`, started, ended }
}

const ordersAt = (options: NonNullable<GatewayDefinition['upstreams']>[string]) => ({
  upstreams: { orders: options },
  scopes: { orders: { prefix: '/orders', routes: forwarding } }
})

t.test('an attempt has what is sent and what comes back', async t => {
  const service = await startService(t, (request, response) => {
    request.resume().on('end', () => response.writeHead(201, { 'x-made': 'yes' }).end('made it'))
  })
  const { gateway, url, started, ended } = await start(t, ordersAt({ url: `${service}/base` }))
  const sent: Uint8Array[] = []
  const received: Uint8Array[] = []
  gateway.onAttemptStart(attempt => {
    attempt.onRequestData = chunk => sent.push(chunk)
    attempt.onResponseData = chunk => received.push(chunk)
  })
  await call(`${url}/7?a=b`, { method: 'POST', body: '{"qty":3}' })
  t.equal(ended.length, 1)
  t.equal(ended[0], started[0])
  const [attempt] = ended as [UpstreamAttempt]
  t.match(attempt, {
    upstream: 'orders',
    endpoint: `${service}/base`,
    method: 'POST',
    path: '/base/orders/7?a=b',
    headers: { 'x-request-id': String },
    retry: 0,
    part: undefined,
    isMirror: false,
    status: 201,
    responseHeaders: { 'x-made': 'yes' },
    cause: undefined
  })
  t.ok(0 < attempt.startedAt && attempt.startedAt <= attempt.respondedAt)
  t.ok(attempt.respondedAt <= attempt.endedAt)
  t.equal(Buffer.concat(sent).toString(), '{"qty":3}')
  t.equal(Buffer.concat(received).toString(), 'made it')
})

t.test('each retry is an attempt with headers of its own', async t => {
  const seen: IncomingHttpHeaders[] = []
  const late: ServerResponse[] = []
  const service = await startService(t, ({ headers }, response) => {
    if (seen.push(headers) === 3) return void response.end('good')
    late.push(response.writeHead(503))
    response.write('bad')
  })
  const { gateway, url, started, ended } = await start(
    t,
    ordersAt({ url: service, retry: { attempts: 2, on: [503], backoff: { base: 1, max: 1 } } })
  )
  const bodies: string[] = []
  const endedAtStart: number[] = []
  gateway.onAttemptStart(attempt => {
    endedAtStart.push(ended.length)
    attempt.setHeader(`x-attempt-${attempt.retry}`, 'here')
    attempt.onResponseData = chunk => bodies.push(`${attempt.retry} ${Buffer.from(chunk)}`)
  })
  t.equal((await call(`${url}/1`)).text, 'good')
  for (const response of late) response.end()
  t.same(
    started.map(({ retry, endpoint }) => [retry, endpoint]),
    [0, 1, 2].map(retry => [retry, service])
  )
  t.same(endedAtStart, [0, 1, 2], 'each has ended before the next starts, though its body is not complete')
  t.same(
    ended.map(({ status, cause }) => [status, cause]),
    [
      [503, 'service-error'],
      [503, 'service-error'],
      [200, undefined]
    ]
  )
  t.same(bodies, ['0 bad', '1 bad', '2 good'], 'the bodies of responses that are retried are seen too')
  t.same(
    seen.map(headers => Object.keys(headers).filter(name => name.startsWith('x-attempt-'))),
    [['x-attempt-0'], ['x-attempt-1'], ['x-attempt-2']]
  )
})

t.test('an attempt ends once, whatever happens', async t => {
  const refused = await closedPort()
  const hanging = await startService(t, () => {})
  const resetting = await startTcpService(t, socket => socket.destroy())
  const garbage = await startTcpService(t, socket => socket.end('SIP/2.0 200 OK\r\n\r\n'))
  const broken = await startService(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '200000' })
    response.write(Buffer.alloc(100_000), () => response.destroy())
  })
  const failing = await startService(t, (_request, response) => response.writeHead(500).end())
  const cases: [string, string, Record<string, unknown>, object][] = [
    ['refused', refused, {}, { cause: 'connection-refused', status: undefined }],
    ['hanging', hanging, { timeout: 100 }, { cause: 'response-timeout' }],
    ['resetting', resetting, {}, { cause: 'connection-reset' }],
    ['no HTTP', garbage, {}, { cause: 'invalid-response' }],
    ['broken', broken, {}, { cause: 'connection-reset', status: 200 }],
    ['failing', failing, {}, { cause: 'service-error', status: 500 }]
  ]
  for (const [name, service, options, expected] of cases) {
    const { url, started, ended } = await start(
      t,
      ordersAt({ url: service, retry: { attempts: 0 }, ...options })
    )
    await call(`${url}/1`).catch(() => {})
    await until(() => ended.length > 0)
    t.equal(started.length, 1, name)
    t.equal(ended.length, 1, name)
    t.match(ended[0], expected, name)
  }
})

t.test('an attempt whose client disconnects ends', async t => {
  const hanging = await startService(t, () => {})
  const { gateway, url, started, ended } = await start(t, ordersAt({ url: hanging }))
  const { port } = new URL(url)
  const socket = connect(Number(port), '127.0.0.1')
  socket.write('GET /orders/1 HTTP/1.1\r\nhost: gateway\r\n\r\n')
  await until(() => started.length === 1)
  t.equal(ended.length, 0)
  socket.destroy()
  await until(() => ended.length === 1)
  t.equal(ended[0]?.cause, 'client-aborted')
  t.ok(gateway.server.listening)
})

t.test('a stream ends with its last byte', async t => {
  let finish = () => {}
  const service = await startService(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: 1\n\n')
    finish = () => response.end()
  })
  const { url, ended } = await start(t, ordersAt({ url: service }))
  const response = await fetch(`${url}/1`)
  t.equal(ended.length, 0)
  finish()
  await response.text()
  await until(() => ended.length === 1)
  t.match(ended[0], { status: 200, cause: undefined })
})

t.test('mirrored requests and parts of compositions are attempts', async t => {
  const service = await startService(t, (_request, response) => response.end('{}'))
  const next = await startService(t, (_request, response) => response.writeHead(500).end())
  const { url, ended } = await start(t, {
    upstreams: { orders: { url: service, mirror: { to: 'next' } }, next: { url: next } },
    scopes: {
      orders: {
        prefix: '/orders',
        routes: async app => {
          await app.register(compose)
          app.compose({
            method: 'GET',
            url: '/',
            parts: {
              order: {
                upstream: 'orders',
                path: () => '/order',
                upstreamResponse: Type.Object({}),
                required: true
              },
              user: { upstream: 'next', path: () => '/user', upstreamResponse: Type.Object({}) }
            },
            response: Type.Any(),
            toClient: (parts: unknown) => parts
          } as never)
        }
      }
    }
  })
  t.equal((await call(url)).status, 200)
  await until(() => ended.length === 3)
  const mirrored = ended.filter(({ isMirror }) => isMirror)
  t.match(mirrored, [{ upstream: 'next', path: '/order', cause: 'service-error', part: undefined }])
  const [part, other] = ended.filter(({ isMirror }) => !isMirror).sort((a, b) => (a.path < b.path ? -1 : 1))
  t.match(part, { part: 'order', upstream: 'orders', cause: undefined })
  t.match(other, { part: 'user', upstream: 'next', cause: 'service-error' })
  t.not(mirrored[0]?.exchange, part?.exchange)
  t.equal(mirrored[0]?.exchange.reply.request.exchange, part?.exchange)
})

t.test('a listener hears of the attempts of its scope only', async t => {
  const service = await startService(t, (_request, response) => response.end('{}'))
  const heard: string[] = []
  const scope = (name: string) => ({
    prefix: `/${name}`,
    routes: async (app: Parameters<typeof forwarding>[0]) => {
      app.onAttemptEnd(({ path }) => heard.push(`${name} ${path}`))
      await forwarding(app)
    }
  })
  const { url } = await startGateway(t, {
    upstreams: { orders: { url: service } },
    scopes: { a: scope('a'), b: scope('b') }
  })
  await call(`${url}/a/1`)
  await call(`${url}/b/2`)
  t.same(heard, ['a /orders/1', 'b /orders/2'])
})

t.test('a WebSocket handshake is an attempt', async t => {
  const service = await startTcpService(t, socket =>
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'
    )
  )
  const { url, ended } = await start(t, {
    upstreams: { orders: { url: service } },
    scopes: {
      orders: {
        prefix: '/orders',
        routes: async app => {
          app.websocket({ url: '/feed', upstream: 'orders', prefix: '' })
        }
      }
    }
  })
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write(
    'GET /orders/feed HTTP/1.1\r\nhost: gateway\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
  )
  const [bytes] = await once(socket, 'data')
  t.match(String(bytes), /^HTTP\/1\.1 101/)
  t.match(ended, [{ path: '/feed', status: 101, cause: undefined }])
  socket.destroy()
})

t.test('an attempt goes on when its listeners fail', async t => {
  const service = await startService(t, (_request, response) => response.end('good'))
  const { gateway, url, ended } = await start(t, ordersAt({ url: service }))
  const fail = () => {
    throw new Error('broken')
  }
  gateway.onAttemptStart(fail)
  gateway.onAttemptEnd(fail)
  t.match(await call(`${url}/7`), { status: 200, text: 'good' })
  t.match(ended, [{ status: 200 }])
})
