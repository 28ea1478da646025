import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import forward from '../../plugins/forward.ts'
import { type Ending, startGateway, startService } from '../harness.ts'
import { exchange, startSession, tls } from '../http2.ts'
import { until } from '../until.ts'

const upstream = 'api' as never

async function routes(app: FastifyInstance) {
  await app.register(forward)
  app.forward({ method: ['GET', 'POST'], url: '/*', upstream, prefix: '' })
  app.forward({ method: 'GET', url: '/events', upstream, prefix: '', config: { deadline: 0 } })
  app.websocket({ url: '/echo', upstream, prefix: '' })
}

interface Service {
  url: string
  /** Answers what waits. */
  release(): void
  waiting(): number
}

async function startApi(t: Ending): Promise<Service> {
  const waiting: (() => void)[] = []
  const url = await startService(t, (incoming, response) => {
    incoming.resume()
    if (incoming.url === '/events')
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
    else if (incoming.url === '/part') response.writeHead(200).write('part')
    else if (incoming.url === '/slow') waiting.push(() => response.end('slow'))
    else incoming.on('end', () => response.end('ok'))
  })
  return {
    url,
    release: () => {
      for (const answer of waiting.splice(0)) answer()
    },
    waiting: () => waiting.length
  }
}

async function start(t: Ending, url: string, timeout: number, idle: number, listen = {}) {
  return startGateway(t, {
    listen,
    drain: { timeout, idle },
    upstreams: { api: { url, breaker: { failures: 1 } } },
    scopes: { api: { prefix: '/api', routes } }
  })
}

/** A client's raw connection. */
class Client {
  socket: Socket
  text = ''
  hasEnded = false

  constructor(t: Ending, url: string) {
    this.socket = connect(Number(new URL(url).port), '127.0.0.1')
    this.socket.on('data', chunk => {
      this.text += chunk
    })
    this.socket.on('error', () => {
      this.text += 'RESET'
    })
    this.socket.on('end', () => {
      this.hasEnded = true
    })
    t.teardown(() => this.socket.destroy())
  }

  async get(path: string): Promise<string> {
    const from = this.text.length
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
    await until(() => this.text.slice(from).endsWith('ok') || this.text.includes('RESET'))
    return this.text.slice(from)
  }
}

t.test('a draining connection gets Connection: close; a new one may still send a request', async t => {
  const { url: service } = await startApi(t)
  const { gateway, url } = await start(t, service, 20_000, 15_000)
  const [kept, fresh] = [new Client(t, url), new Client(t, url)]
  t.match(await kept.get('/api/x'), /^HTTP\/1\.1 200 OK\r\n[\s\S]*Connection: keep-alive/i)
  await until(async () => (await connectionsOf(gateway)) === 2)
  const drained = gateway.drain()
  const first = await fresh.get('/api/x')
  t.match(first, /^HTTP\/1\.1 200 OK\r\n/)
  // Each has its turn within the first half.
  let answer = ''
  while (!kept.hasEnded && !/connection: close/i.test(answer)) {
    answer = await kept.get('/api/x')
    t.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
  }
  while (!fresh.hasEnded && !/connection: close/i.test(first))
    if (/connection: close/i.test(await fresh.get('/api/x'))) break
  t.equal(await drained, 0)
  await until(() => kept.hasEnded && fresh.hasEnded)
  t.notMatch(kept.text + fresh.text, /RESET/)
})

t.test('a connection on which nothing was asked yet is waited for when others have ended', async t => {
  const { url: service } = await startApi(t)
  const { gateway, url } = await start(t, service, 4_000, 50)
  const fresh = new Client(t, url)
  await until(async () => (await connectionsOf(gateway)) === 1)
  const kept = new Client(t, url)
  await kept.get('/api/x')
  const drained = gateway.drain()
  // Its turn comes after that of the other.
  await until(() => kept.hasEnded)
  t.notOk(fresh.hasEnded)
  t.match(await fresh.get('/api/x'), /^HTTP\/1\.1 200 OK\r\n/)
  await until(() => fresh.hasEnded)
  t.equal(await drained, 0)
})

t.test(
  'an idle connection is ended when its time is over, one that has asked for nothing much later',
  async t => {
    const { url: service } = await startApi(t)
    const { gateway, url } = await start(t, service, 4_000, 500)
    const [kept, unused] = [new Client(t, url), new Client(t, url)]
    await kept.get('/api/x')
    await until(async () => (await connectionsOf(gateway)) === 2)
    const drained = gateway.drain()
    await until(() => kept.hasEnded)
    t.equal(unused.hasEnded, false)
    t.equal(await drained, 0, 'nothing had to be cut')
    await until(() => unused.hasEnded)
    t.notMatch(kept.text + unused.text, /RESET/)
  }
)

t.test('requests and uploads in progress finish; those over the timeout are aborted', async t => {
  const service = await startApi(t)
  const { gateway, url } = await start(t, service.url, 6_000, 100)
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const slow = request(`${url}/api/slow`, { agent }).end()
  const upload = request(`${url}/api/upload`, { agent, method: 'POST' })
  upload.write('x'.repeat(1_000))
  await until(() => service.waiting() === 1)
  const drained = gateway.drain()
  upload.end('y')
  t.equal(((await once(upload, 'response')) as [IncomingMessage])[0].statusCode, 200)
  service.release()
  t.equal(((await once(slow, 'response')) as [IncomingMessage])[0].statusCode, 200)
  t.equal(await drained, 0)

  const short = await start(t, service.url, 300, 100)
  const lost = request(`${short.url}/api/slow`, { agent: false }).end()
  const failed = once(lost, 'error')
  failed.catch(() => {})
  await until(() => service.waiting() === 1)
  t.equal(await short.gateway.drain(), 1)
  t.match(await new Promise(resolve => lost.on('close', () => resolve(lost.destroyed))), true)
})

t.test('a response that is cut does not look complete to an HTTP/1.0 client', async t => {
  const service = await startApi(t)
  const { gateway, url } = await start(t, service.url, 300, 100)
  const client = new Client(t, url)
  // Its body ends with the connection.
  client.socket.write('GET /api/part HTTP/1.0\r\nHost: a\r\n\r\n')
  await until(() => client.text.endsWith('part'))
  t.equal(await gateway.drain(), 1)
  await until(() => client.hasEnded || client.text.endsWith('RESET'))
  t.match(client.text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*partRESET$/)
})

t.test('an event stream goes on until most of the time is over, and the breaker does not mind', async t => {
  const { url: service } = await startApi(t)
  const { gateway, url } = await start(t, service, 2_000, 100)
  const asked = request(`${url}/api/events`, { agent: false }).end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  response.on('error', () => {})
  const ended = new Promise<number>(resolve => response.on('close', () => resolve(performance.now())))
  response.resume()
  const startedAt = performance.now()
  t.equal(await gateway.drain(), 0, 'it was ended, not cut')
  t.ok((await ended) - startedAt >= 2_000 * 0.8 - 50)
  t.match(gateway.upstreams[0]?.state().breaker, { state: 'closed', failures: 0 })
})

t.test(
  'WebSockets are closed with 1001, one that is opened meanwhile too, and no handshake is refused',
  async t => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    t.teardown(() => server.close())
    await once(server, 'listening')
    server.on('connection', socket => socket.on('message', data => socket.send(data)))
    const { port } = server.address() as { port: number }
    const { gateway, url } = await start(t, `http://127.0.0.1:${port}`, 5_000, 100)
    const address = `${url.replace('http', 'ws')}/api/echo`
    const sockets = Array.from({ length: 4 }, () => new WebSocket(address))
    await Promise.all(sockets.map(socket => once(socket, 'open')))
    const codes = Promise.all(sockets.map(socket => once(socket, 'close')))
    const late = connect(Number(new URL(url).port), '127.0.0.1')
    await once(late, 'connect')
    await until(async () => (await connectionsOf(gateway)) === 5)
    const drained = gateway.drain()
    const opened = new WebSocket(address, { createConnection: () => late })
    await once(opened, 'open')
    t.equal((await once(opened, 'close'))[0], 1001)
    t.same(
      (await codes).map(([code]) => code),
      [1001, 1001, 1001, 1001]
    )
    t.equal(await drained, 0)
  }
)

t.test(
  'HTTP/2: a GOAWAY that refuses nothing, streams come to their end, and the session with them',
  async t => {
    const service = await startApi(t)
    const { gateway, url } = await start(t, service.url, 8_000, 3_000, { tls, http2: true })
    const session = await startSession(t, url)
    t.equal((await exchange(session, { ':path': '/api/x' })).status, 200)
    const slow = exchange(session, { ':path': '/api/slow' })
    await until(() => service.waiting() === 1)
    const goaway = once(session, 'goaway')
    const closed = new Promise(resolve => session.on('close', resolve))
    const drained = gateway.drain()
    t.same((await goaway).slice(0, 2), [0, 2 ** 31 - 1])
    service.release()
    const { status, code, body } = await slow
    t.same([status, code, body.toString()], [200, 0, 'slow'])
    await closed
    t.equal(await drained, 0)
  }
)

function connectionsOf(gateway: FastifyInstance): Promise<number> {
  return new Promise(resolve => gateway.server.getConnections((_error, count) => resolve(count)))
}
