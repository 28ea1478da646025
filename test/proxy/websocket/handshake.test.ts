import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { FastifyInstance } from 'fastify'
import pino from 'pino'
import t from 'tap'
import { WebSocket } from 'ws'
import { resolveConfig } from '../../../config/resolve-config.ts'
import { buildGateway } from '../../../gateway.ts'
import forward from '../../../plugins/forward.ts'
import { call, closedPort, startGateway, startService, startTcpService } from '../../harness.ts'
import { until } from '../../until.ts'
import { dial, refused, start, startEcho } from './echo.ts'

t.test('a rejected handshake gets an HTTP response, and the service receives nothing', async t => {
  const { url: service, requests } = await startEcho(t)
  let calls = 0
  const { url, gateway } = await start(
    t,
    service,
    { maxConnections: 1, allowOrigins: ['https://shop.example'] },
    {
      hook: app =>
        app.addHook('onRequest', async request => {
          calls++
          if (request.headers.authorization === 'no') throw Object.assign(new Error(), { statusCode: 401 })
        })
    }
  )
  const problem = { 'content-type': 'application/problem+json', 'x-request-id': /./ }
  t.match(await refused(dial(t, url, [], { headers: { authorization: 'no' } })), {
    status: 401,
    headers: problem
  })
  t.match(await refused(dial(t, url, [], { origin: 'https://evil.example' })), {
    status: 403,
    headers: problem,
    json: { type: 'urn:sluice:origin-rejected' }
  })
  t.match(await refused(dial(t, url, [], { protocolVersion: 8 })), {
    status: 426,
    headers: { ...problem, 'sec-websocket-version': '13' }
  })
  t.equal(requests.length, 0)
  t.equal(calls, 3)
  const { recorder } = gateway
  const shown = recorder?.list({ limit: 3 }).map(({ id }) => recorder.find(id)?.response.body?.text)
  t.match(shown, [/"status":426/, /"status":403/, /"status":401/], 'and recorded with what it was told')

  await once(dial(t, url, [], { origin: 'https://shop.example' }), 'open')
  t.match(await refused(dial(t, url)), { status: 503, headers: { 'retry-after': '1' } })
  for (const { socket } of requests) socket.destroy()
  let again: WebSocket
  for (;;) {
    again = dial(t, url, [], { origin: url })
    if (
      await Promise.race([
        once(again, 'open').then(() => true),
        once(again, 'unexpected-response').then(() => false)
      ])
    )
      break
  }
  t.pass('a place is free once a connection has ended')
})

t.test('a plain request is told to upgrade; another protocol is ignored', async t => {
  const { url: service } = await startEcho(t)
  const { url } = await start(t, service)
  const answer = await call(`${url}/feed/live`)
  t.equal(answer.status, 426)
  t.equal(answer.headers.get('upgrade'), 'websocket')
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write('GET /feed/plain HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n')
  let text = ''
  for await (const chunk of socket) text += chunk
  t.match(text, /^HTTP\/1.1 200 OK[\s\S]*plain/)
})

t.test(
  'a handshake with another route, or with none, is a request like others, and has its line',
  async t => {
    const { url: service, requests } = await startEcho(t)
    const lines: string[] = []
    const config = resolveConfig(
      {
        default: {
          upstreams: { products: { url: service } },
          scopes: {
            feed: {
              prefix: '/feed',
              routes: async (app: FastifyInstance) => {
                app.websocket({ url: '/live', upstream: 'products', prefix: '/socket' })
                await app.register(forward)
                app.forward({ method: 'POST', url: '/plain', upstream: 'products', prefix: '' })
              }
            }
          }
        }
      },
      {}
    )
    const gateway = await buildGateway(
      config,
      pino({ level: 'info' }, { write: line => void lines.push(line) })
    )
    t.teardown(() => gateway.close())
    const url = await gateway.listen({ port: 0, host: '127.0.0.1' })

    const none = await refused(new WebSocket(`${url.replace('http', 'ws')}/nowhere`))
    t.match(none, { status: 404, json: { type: 'urn:sluice:route-not-found' } })
    const method = await refused(new WebSocket(`${url.replace('http', 'ws')}/feed/plain`))
    t.match(method, { status: 405, headers: { allow: 'POST' } })
    // Its body is read, and nothing behind it taken for a request.
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.write(
      'POST /feed/plain HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 4\r\n\r\nbodyGET /feed/live HTTP/1.1\r\nHost: x\r\n\r\n'
    )
    let text = ''
    for await (const chunk of socket) text += chunk
    t.match(text, /^HTTP\/1.1 200 OK[\s\S]*plain$/)
    t.equal(requests.length, 0)

    const told = () => lines.filter(line => line.includes('"msg":"exchange"')).map(line => JSON.parse(line))
    await until(() => told().length === 3)
    t.match(told(), [
      { method: 'GET', status: 404, reqId: none.json.requestId },
      { method: 'GET', status: 405 },
      { method: 'POST', route: '/feed/plain', status: 200 }
    ])
  }
)

t.test("bytes before the handshake's response close the connection", async t => {
  let seen = 0
  const service = await startService(t, () => {})
  const { url, gateway } = await start(t, service)
  gateway.onExchangeEnd(() => seen++)
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => {})
  socket.write(
    'GET /feed/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
  )
  setTimeout(() => socket.write('early'), 100)
  await once(socket, 'close')
  await until(() => seen === 1)
  t.pass('it is closed, and the exchange has ended')
})

t.test('a service that rejects, fails or forges a handshake causes a problem', async t => {
  const refusing = await startService(t, (_request, response) => response.writeHead(403).end('no'))
  const { url: forbidden, gateway } = await start(t, refusing)
  t.match(await refused(dial(t, forbidden)), { status: 403, json: { title: 'Forbidden' } })
  t.equal(gateway.upstream('products').state().breaker.failures, 0)

  const away = await start(
    t,
    await closedPort(),
    {},
    { breaker: { failures: 1, resetTimeout: 30_000, halfOpenRequests: 1, shared: true } }
  )
  t.match(await refused(dial(t, away.url)), { status: 502 })
  t.match(await refused(dial(t, away.url)), { status: 503 })

  const service = await startService(t, () => {})
  const slow = await start(t, service, { config: { deadline: 100 } })
  t.match(await refused(dial(t, slow.url)), { status: 504 })

  const lying = createServer()
  lying.on('upgrade', (_request, socket) =>
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n'
    )
  )
  lying.listen(0, '127.0.0.1')
  await once(lying, 'listening')
  t.teardown(() => lying.close())
  const lied = await start(t, `http://127.0.0.1:${(lying.address() as AddressInfo).port}`)
  t.match(await refused(dial(t, lied.url)), { status: 502 })
})

t.test('a client that disconnects before the response cancels the handshake', async t => {
  let closed = 0
  const server = createServer()
  let started = 0
  server.on('upgrade', (_request, socket) => {
    started++
    socket.on('error', () => {})
    socket.on('end', () => closed++)
    socket.resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { url } = await start(t, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const socket = dial(t, url)
  await until(() => started === 1)
  socket.terminate()
  await until(() => closed === 1)
  t.pass('it is cancelled')
})

t.test('a rejection by the service keeps its headers, except those about the body', async t => {
  const challenges = 'Bearer realm="feed", Basic realm="x"'
  const body = 'no'
  const head = [
    'WWW-Authenticate: Bearer realm="feed"',
    'WWW-Authenticate: Basic realm="x"',
    'Retry-After: 7',
    'Sec-WebSocket-Version: 13, 8',
    'Set-Cookie: a=1',
    'Set-Cookie: b=2',
    'Cache-Control: no-store',
    'X-Reason: because',
    'Connection: close, X-Hop',
    'X-Hop: 1',
    'Proxy-Authenticate: Basic',
    'Content-Type: text/plain',
    'Content-Encoding: identity',
    'ETag: "1"',
    'RateLimit: 1',
    `Content-Length: ${body.length}`
  ]
  for (const status of ['401 Unauthorized', '426 Upgrade Required', '503 Service Unavailable']) {
    const service = await startTcpService(t, socket =>
      socket.end(`HTTP/1.1 ${status}\r\n${head.join('\r\n')}\r\n\r\n${body}`)
    )
    const { url } = await start(t, service)
    const { status: told, headers, json } = await refused(dial(t, url))
    t.equal(told, Number(status.slice(0, 3)))
    t.equal(json.status, told)
    t.match(headers, {
      'content-type': 'application/problem+json',
      'www-authenticate': challenges,
      'retry-after': '7',
      'sec-websocket-version': '13, 8',
      'set-cookie': ['a=1', 'b=2'],
      'cache-control': 'no-store',
      'x-reason': 'because',
      upgrade: told === 426 ? 'websocket' : undefined
    })
    for (const name of ['x-hop', 'proxy-authenticate', 'content-encoding', 'etag', 'ratelimit'])
      t.notOk(headers[name], `${told}: ${name}`)
  }
})

t.test("the gateway's own origin has its default port or not, and no case", async t => {
  const { url: service } = await startEcho(t)
  const gateway = await startGateway(t, {
    trustProxy: ['127.0.0.1'],
    upstreams: { products: { url: service } },
    scopes: {
      feed: {
        prefix: '/feed',
        routes: async app => {
          app.websocket({ url: '/live', upstream: 'products', prefix: '/socket' })
        }
      }
    }
  })
  const connects = async (origin: string, host: string, protocol: string) => {
    const socket = dial(t, gateway.url, [], {
      origin,
      headers: { 'x-forwarded-host': host, 'x-forwarded-proto': protocol }
    })
    return Promise.race([
      once(socket, 'open').then(() => true),
      once(socket, 'unexpected-response').then(() => false)
    ])
  }
  t.ok(await connects('https://shop.example', 'shop.example', 'HTTPS'))
  t.ok(await connects('https://shop.example', 'Shop.Example:443', 'https'))
  t.ok(await connects('http://shop.example:8080', 'shop.example:8080', 'http'))
  for (const origin of [
    'http://shop.example',
    'https://shop.example:444',
    'https://shop.example.evil.example',
    'null'
  ])
    t.notOk(await connects(origin, 'shop.example', 'https'), origin)
})

t.test('a handshake may have its target in absolute form (RFC 9112, 3.2.2)', async t => {
  const { url: service, requests } = await startEcho(t)
  const { url } = await start(t, service)
  const ask = async (target: string) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    t.teardown(() => socket.destroy())
    socket.write(
      `GET ${target} HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`
    )
    const [head] = await once(socket, 'data')
    return Number(String(head).slice(9, 12))
  }
  t.equal(await ask('http://shop.example/feed/live?x'), 101)
  t.equal(requests[0]?.url, '/socket/live?x')
  t.equal(await ask('http://other.example/feed/live'), 400)
  t.equal(await ask('http://other.example?/feed/live'), 400)
  t.equal(await ask('http://shop.example?/feed/live'), 404)
  t.equal(requests.length, 1)
})
