import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import forward from '../../plugins/forward.ts'
import grpc from '../../plugins/grpc.ts'
import { call, type Ending, startGateway, startService } from '../harness.ts'
import { startSession, tls } from '../http2.ts'
import { until } from './service.ts'

/** Half-open breakers of services that work again, while the first half-open requests never end. */

const breaker = { failures: 1, resetTimeout: 50, halfOpenRequests: 1 }

async function routes(app: FastifyInstance): Promise<void> {
  await app.register(forward)
  const upstream = 'things' as never
  for (const url of ['/endless', '/events', '/poll', '/download', '/x', '/down'])
    app.forward({
      method: 'GET',
      url,
      upstream,
      prefix: '',
      ...((url === '/endless' || url === '/poll') && { config: { deadline: 0 } })
    })
  app.websocket({ url: '/ws', upstream, prefix: '' })
}

/** Responses that may never end. */
const trials: Record<string, (response: ServerResponse) => void> = {
  '/endless': response => void response.writeHead(200).write('beginning'),
  '/events': response => response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders(),
  '/poll': () => {},
  '/download': response => {
    response.writeHead(200, { 'content-length': 100_000_000 }).write('beginning')
  }
}

async function startThings(t: Ending, options: object = {}) {
  const started: IncomingMessage[] = []
  const service = await startService(t, (request, response) => {
    if (request.url === '/down') return response.writeHead(500).end()
    const trial = trials[request.url as string]
    if (trial === undefined) return response.end('ok')
    started.push(request)
    trial(response)
  })
  return { ...(await startGatewayOf(t, service, options)), started }
}

async function startGatewayOf(t: Ending, service: string, options: object = {}) {
  const { url, gateway } = await startGateway(t, {
    upstreams: { things: { url: service, breaker: { ...breaker, ...options } } },
    scopes: { things: { prefix: '/things', routes } }
  })
  const [things] = gateway.upstreams
  const state = () => things?.state().breaker.state
  const base = `${url}/things`
  return {
    url: base,
    state,
    /** Opens the breaker, and waits until it is half-open. */
    async halfOpen() {
      await call(`${base}/down`)
      await until(() => state() === 'half-open')
    }
  }
}

/** An empty gRPC message. */
const MESSAGE = Buffer.alloc(5)

/** A client that reads forever. */
function open(t: Ending, url: string) {
  const request = httpRequest(url)
    .on('error', () => {})
    .end()
  t.teardown(() => request.destroy())
  return request.on('response', response => response.on('error', () => {}).resume())
}

for (const path of ['/endless', '/events'])
  t.test(`a half-open stream passes with its headers: ${path}`, async t => {
    const { url, state, halfOpen } = await startThings(t)
    await halfOpen()
    await once(open(t, url + path), 'response')
    t.equal(state(), 'closed')
    t.equal((await call(`${url}/x`)).status, 200)
  })

for (const path of ['/poll', '/download'])
  t.test(`a long half-open request does not block others: ${path}`, async t => {
    const { url, state, halfOpen, started } = await startThings(t, { halfOpenRequests: 2 })
    await halfOpen()
    for (let i = 0; i < 2; i++) open(t, url + path)
    await until(() => started.length === 2)
    await until(async () => (await call(`${url}/x`)).status === 200)
    await until(async () => (await call(`${url}/x`)).status === 200)
    t.equal(state(), 'closed')
  })

t.test('a half-open request whose response breaks off counts as a failure', async t => {
  const { url, state, halfOpen, started } = await startThings(t)
  await halfOpen()
  await once(open(t, `${url}/endless`), 'response')
  t.equal(state(), 'closed')
  const again = open(t, `${url}/endless`)
  await once(again, 'response')
  started[1]?.destroy()
  await until(() => state() !== 'closed')
})

t.test('a half-open WebSocket passes with its handshake', async t => {
  const server = createServer((request, response) =>
    response.writeHead(request.url === '/down' ? 500 : 200).end()
  )
  const sockets = new WebSocketServer({ server })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.close()
    server.closeAllConnections()
  })
  const { url, state, halfOpen } = await startGatewayOf(
    t,
    `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  )
  await halfOpen()
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`).on('error', () => {})
  t.teardown(() => socket.terminate())
  await once(socket, 'open')
  t.equal(state(), 'closed')
  t.equal((await call(`${url}/x`)).status, 200)
})

t.test('a half-open gRPC stream passes after a moment', async t => {
  const service = createHttp2Server()
  const streams: ServerHttp2Stream[] = []
  service.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    const type = { ':status': 200, 'content-type': 'application/grpc' }
    if (headers[':path'] === '/test.Echo/down')
      return stream.respond({ ...type, 'grpc-status': '14' }, { endStream: true })
    streams.push(stream)
    stream.respond(type)
    stream.write(MESSAGE)
  })
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
  t.teardown(() => {
    for (const stream of streams) stream.session?.destroy()
    service.close()
  })
  const { url, gateway } = await startGateway(t, {
    listen: { tls, http2: true },
    upstreams: {
      things: { url: `http://127.0.0.1:${(service.address() as AddressInfo).port}`, http2: true, breaker }
    },
    scopes: {
      echo: {
        prefix: '/test.Echo',
        routes: async app => {
          await app.register(forward)
          await app.register(grpc)
          app.grpc({ url: '/*', upstream: 'things', config: { deadline: 0 } })
        }
      }
    }
  })
  const [things] = gateway.upstreams
  const state = () => things?.state().breaker.state
  const session = await startSession(t, url)
  const ask = (name: string) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': `/test.Echo/${name}`,
      'content-type': 'application/grpc',
      te: 'trailers'
    })
    stream.on('error', () => {})
    stream.end(MESSAGE)
    return stream
  }
  await once(ask('down').resume(), 'close')
  await until(() => state() === 'half-open')
  const stream = ask('stream')
  await once(stream, 'data')
  await until(() => state() === 'closed')
  t.notOk(stream.closed)
})
