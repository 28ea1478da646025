import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { FastifyInstance } from 'fastify'
import pino from 'pino'
import t from 'tap'
import { type ClientOptions, WebSocket, WebSocketServer } from 'ws'
import { buildGateway, resolveConfig } from '../../../gateway.ts'
import forward from '../../../plugins/forward.ts'
import type { WebSocketRoute } from '../../../plugins/websocket/index.ts'
import type { UpstreamOptions } from '../../../schemas/upstream.ts'
import { startTokens } from '../../../testing.ts'
import { call, closedPort, type Ending, startGateway, startService } from '../../harness.ts'
import { ca, tls } from '../../http2.ts'
import { until } from '../../until.ts'

/** A service that answers each message with itself, in words where it is asked for them. */
async function startEcho(t: Ending, options: object = {}) {
  const http = createServer((_request, response) => response.end('plain'))
  const service = new WebSocketServer({ server: http, maxPayload: 64 * 1_048_576, ...options })
  const requests: import('node:http').IncomingMessage[] = []
  const closes: number[] = []
  service.on('connection', (socket, request) => {
    requests.push(request)
    socket.on('error', () => {})
    socket.on('close', code => closes.push(code))
    socket.on('message', (data, isBinary) => {
      if (String(data) === 'leave') return socket.close(4_002, 'as asked')
      if (String(data) === 'break') return socket.terminate()
      socket.send(data, { binary: isBinary })
    })
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  t.teardown(() => {
    for (const socket of service.clients) socket.terminate()
    http.close()
    http.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, service, requests, closes }
}

function start(
  t: Ending,
  url: string,
  route: Partial<WebSocketRoute> = {},
  {
    listen,
    hook,
    ...upstream
  }: Partial<UpstreamOptions> & { listen?: object; hook?: (app: FastifyInstance) => void } = {}
) {
  return startGateway(t, {
    ...(listen && { listen }),
    upstreams: { products: { url, ...upstream } },
    scopes: {
      feed: {
        prefix: '/feed',
        routes: async app => {
          hook?.(app)
          await app.register(forward)
          app.forward({ method: 'GET', url: '/plain', upstream: 'products', prefix: '' })
          app.websocket({ url: '/live', upstream: 'products', prefix: '/socket', ...route })
        }
      }
    }
  })
}

function dial(t: Ending, url: string, protocols: string[] = [], options: ClientOptions = {}): WebSocket {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/feed/live?q=%20`, protocols, options)
  socket.on('error', () => {})
  t.teardown(() => socket.terminate())
  return socket
}

/** The refusal of a handshake. */
async function refused(socket: WebSocket) {
  const [, response] = await once(socket, 'unexpected-response')
  let text = ''
  for await (const chunk of response) text += chunk
  return { status: response.statusCode, headers: response.headers, json: JSON.parse(text) }
}

const closeOf = async (socket: WebSocket): Promise<number> => (await once(socket, 'close'))[0]

t.test('messages pass as they are, of text and bytes, both ways', async t => {
  const { url: service, requests } = await startEcho(t, { handleProtocols: () => 'chat.v2' })
  const { url } = await start(t, service)
  const socket = dial(t, url, ['chat.v1', 'chat.v2'], {
    headers: { 'x-forwarded-for': '9.9.9.9', authorization: 'Bearer x' }
  })
  await once(socket, 'open')
  t.equal(socket.protocol, 'chat.v2')
  t.equal(socket.extensions, '')
  t.match(requests[0], {
    url: '/socket/live?q=%20',
    headers: {
      'x-forwarded-for': '127.0.0.1',
      via: '1.1 sluice',
      authorization: 'Bearer x',
      'sec-websocket-extensions': undefined
    }
  })
  for (const message of ['hello', Buffer.from([0, 1, 255]), '', 'ü'.repeat(70_000)]) {
    socket.send(message)
    const [data, isBinary] = await once(socket, 'message')
    t.ok(Buffer.from(message).equals(data as Buffer))
    t.equal(isBinary, typeof message !== 'string')
  }
  socket.send('in ', { fin: false })
  socket.send('parts', { fin: true })
  t.equal(String((await once(socket, 'message'))[0]), 'in parts')
  socket.ping('are you there')
  t.equal(String((await once(socket, 'pong'))[0]), 'are you there')
})

t.test('over TLS, beside HTTP/2', async t => {
  const { url: service } = await startEcho(t)
  const { url } = await start(t, service, {}, { listen: { tls, http2: true } })
  const socket = dial(t, url.replace('127.0.0.1', 'localhost'), [], { ca })
  await once(socket, 'open')
  socket.send('hello')
  t.equal(String((await once(socket, 'message'))[0]), 'hello')
})

t.test('either side closes, with its code', async t => {
  const { url: service, closes } = await startEcho(t)
  const { url } = await start(t, service)
  const leaving = dial(t, url)
  await once(leaving, 'open')
  leaving.close(4_001, 'enough')
  t.equal(await closeOf(leaving), 4_001)
  await until(() => closes.length === 1)
  const left = dial(t, url)
  await once(left, 'open')
  left.send('leave')
  const [code, reason] = await once(left, 'close')
  t.equal(code, 4_002)
  t.equal(String(reason), 'as asked')
  await until(() => closes.length === 2)
  t.same(closes, [4_001, 4_002])
})

t.test('a side that is gone takes the other with it', async t => {
  const { url: service, closes } = await startEcho(t)
  const { url } = await start(t, service)
  const gone = dial(t, url)
  await once(gone, 'open')
  gone.terminate()
  await until(() => closes.length === 1)
  t.same(closes, [1_006])
  const left = dial(t, url)
  await once(left, 'open')
  left.send('break')
  t.equal(await closeOf(left), 1_006)
})

t.test('a message beyond the limit does not reach the service', async t => {
  const { url: service, closes } = await startEcho(t)
  const { url } = await start(t, service, { maxMessage: 1_000 })
  const socket = dial(t, url)
  await once(socket, 'open')
  socket.send('x'.repeat(1_000))
  t.equal((await once(socket, 'message'))[0].length, 1_000)
  socket.send('x'.repeat(1_001))
  t.equal(await closeOf(socket), 1_009)
  await until(() => closes.length === 1)
  t.same(closes, [1_001])
})

t.test('what is refused is refused over HTTP, before the service hears of it', async t => {
  const { url: service, requests } = await startEcho(t)
  let calls = 0
  const { url } = await start(
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
    json: { type: 'urn:sluice:origin-refused' }
  })
  t.match(await refused(dial(t, url, [], { protocolVersion: 8 })), {
    status: 426,
    headers: { ...problem, 'sec-websocket-version': '13' }
  })
  t.equal(requests.length, 0)
  t.equal(calls, 3)

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
  t.match(text, /^HTTP\/1.1 200 OK[^]*plain/)
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
    t.match(text, /^HTTP\/1.1 200 OK[^]*plain$/)
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

t.test('bytes before the answer end the connection', async t => {
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

t.test('a service that refuses, breaks or lies is a problem, and the breaker counts it', async t => {
  const refusing = await startService(t, (_request, response) => response.writeHead(403).end('no'))
  const { url: forbidden, gateway } = await start(t, refusing)
  t.match(await refused(dial(t, forbidden)), { status: 403, json: { title: 'Forbidden' } })
  t.equal(gateway.upstream('products').state().breaker.failures, 0)

  const away = await start(
    t,
    await closedPort(),
    {},
    { breaker: { failures: 1, resetTimeout: 30_000, trials: 1, shared: true } }
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

t.test('a client that leaves before the answer cancels the handshake', async t => {
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

t.test('a connection outlives the deadline, but not its silence', async t => {
  const { url: service, closes } = await startEcho(t)
  const { url } = await start(t, service, { config: { deadline: 300 }, idleTimeout: 600 })
  const socket = dial(t, url)
  await once(socket, 'open')
  const closed = closeOf(socket)
  for (let i = 0; i < 5; i++) {
    await new Promise(resolve => setTimeout(resolve, 100))
    socket.send('on')
    await once(socket, 'message')
  }
  t.equal(await closed, 1_001)
  await until(() => closes.length === 1)
  t.same(closes, [1_001])
})

t.test('a connection ends with its token, unless its route lets it go on', async t => {
  const { url: service, requests, closes } = await startEcho(t)
  const tokens = await startTokens(t)
  const lines: string[] = []
  const config = resolveConfig(
    {
      default: {
        upstreams: { products: { url: service } },
        issuers: { shop: { ...tokens.options, clockTolerance: 0 } },
        scopes: {
          feed: {
            prefix: '/feed',
            jwt: 'shop',
            routes: async (app: FastifyInstance) => {
              app.websocket({ url: '/live', upstream: 'products', prefix: '/ends' })
              app.websocket({ url: '/on', upstream: 'products', prefix: '/on', closeAtExpiry: false })
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
  const exp = Math.floor(Date.now() / 1000) + 2
  const open = async (path: string, exp: number) => {
    const headers = { authorization: `Bearer ${tokens.token({ exp })}` }
    const socket = new WebSocket(`${url.replace('http', 'ws')}/feed/${path}`, { headers })
    t.teardown(() => socket.terminate())
    await once(socket, 'open')
    return socket
  }
  // In no order; the second time the token is known already.
  const later = await open('live', exp + 300)
  const first = await open('live', exp)
  const second = await open('live', exp)
  const on = await open('on', exp)
  t.equal(requests.length, 4)

  const [[code, reason]] = await Promise.all([once(first, 'close'), once(second, 'close')])
  t.equal(code, 1008)
  t.equal(String(reason), 'Token expired')
  t.ok(Date.now() >= exp * 1000)
  await until(() => closes.length === 2)
  t.same(closes, [1001, 1001])
  await until(() => lines.filter(line => /"code":1008.*"websocket closed"/.test(line)).length === 2)
  for (const socket of [later, on]) {
    socket.send('still here')
    t.equal(String((await once(socket, 'message'))[0]), 'still here')
  }
})

t.test('a slow reader holds up the service, not the memory of the gateway', async t => {
  const { url: service, service: server } = await startEcho(t)
  const { url } = await start(t, service)
  const socket = dial(t, url)
  await once(socket, 'open')
  const [peer] = [...server.clients] as [WebSocket]
  socket.pause()
  let total = 0
  const chunk = Buffer.alloc(65_536)
  const sent = () => total - peer.bufferedAmount
  for (; total < 64 * 1_048_576; total += chunk.length) peer.send(chunk)
  let before = -1
  while (before !== sent()) {
    before = sent()
    await new Promise(resolve => setTimeout(resolve, 300))
  }
  t.ok(sent() < 32 * 1_048_576, `${sent()} bytes were taken from the service`)
  let received = 0
  socket.on('message', data => {
    received += (data as Buffer).length
  })
  socket.resume()
  await until(() => received === total)
  t.pass('and all of it arrives')
})

t.test('when the gateway stops, both sides are told, and it does not wait for them', async t => {
  const { url: service, closes } = await startEcho(t)
  const config = resolveConfig(
    {
      default: {
        log: { level: 'silent' },
        upstreams: { products: { url: service } },
        scopes: {
          feed: {
            prefix: '/feed',
            routes: async (app: FastifyInstance) => {
              app.websocket({ url: '/live', upstream: 'products', prefix: '/socket' })
            }
          }
        }
      }
    },
    {}
  )
  const gateway = await buildGateway(config)
  const socket = dial(t, await gateway.listen({ port: 0, host: '127.0.0.1' }))
  await once(socket, 'open')
  const code = closeOf(socket)
  await gateway.close()
  t.equal(await code, 1_001)
  await until(() => closes.length === 1)
  t.same(closes, [1_001])
})
