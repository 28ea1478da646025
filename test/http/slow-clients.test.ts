import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { GatewayDefinition } from '../../config/define-gateway.ts'
import forward from '../../plugins/forward.ts'
import { type Ending, startGateway } from '../harness.ts'
import { startSession, tls } from '../http2.ts'
import { Client, connectionsOf, startRecorder, until } from './raw-sockets.ts'

/** Attacks that make the gateway hold memory or connections. All of them must end by themselves. */
const HOST = 'Host: g.example\r\n'
const LARGE = 8 * 1_048_576

async function routes(app: FastifyInstance) {
  await app.register(forward)
  app.forward({ method: ['GET', 'POST'], url: '/forward', upstream: 'service', prefix: '' })
  app.websocket({ url: '/live', upstream: 'service', prefix: '' })
  app.get('/large', async () => 'x'.repeat(LARGE))
  app.get('/stream', (_request, reply) => {
    reply.type('text/plain').send(
      new Readable({
        read() {
          this.push('x'.repeat(65_536))
        }
      })
    )
  })
  app.post(
    '/refused',
    { onRequest: async (_request, reply) => void reply.code(401).send('no') },
    async () => 'yes'
  )
  app.post('/small', { bodyLimit: 10 }, async () => 'yes')
}

function start(t: Ending, url: string, options: Partial<GatewayDefinition> = {}) {
  return startGateway(t, {
    upstreams: { service: { url } },
    tiers: { none: { limits: [{ limit: 1, window: 600_000 }] } },
    scopes: {
      all: { prefix: '/all', routes },
      limited: { prefix: '/limited', rateLimit: { address: 'none' }, routes }
    },
    ...options
  } as GatewayDefinition)
}

t.test('the number of pipelined requests behind a slow response is limited', async t => {
  const service = await startRecorder(t, () => undefined)
  const { url } = await start(t, service.url)
  const get = `GET /all/forward HTTP/1.1\r\n${HOST}\r\n`
  // As many as fit in one read of a socket.
  const client = new Client(url).write(get.repeat(1_200))
  await until(() => client.isClosed || undefined, 'the end of the connection')
  t.equal(client.bytes, '')
  t.ok(service.received.length <= 1)
})

t.test('maxPipelinedRequests requests are served', async t => {
  const service = await startRecorder(t)
  const { url } = await start(t, service.url, { http: { maxPipelinedRequests: 5 } })
  const get = `GET /all/forward HTTP/1.1\r\n${HOST}\r\n`
  const client = new Client(url).write(get.repeat(6), ...Array(6).fill('GET'))
  for (let i = 0; i < 6; i++) t.equal((await client.response()).status, 200)
  client.write(get, 'GET')
  t.equal((await client.response()).status, 200)
  client.end()
})

t.test('a connection does not wait for the rest of a rejected request', async t => {
  const service = await startRecorder(t)
  const { url } = await start(t, service.url)
  const head = 'Content-Length: 1000000\r\n\r\n'
  const chunked = 'Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n'
  const first = new Client(url).write(`GET /limited/large HTTP/1.1\r\n${HOST}\r\n`, 'GET')
  await first.response()
  first.end()
  await Promise.all(
    [
      ['/all/refused', head, 401],
      ['/all/refused', chunked, 401],
      ['/nowhere', head, 404],
      ['/nowhere', chunked, 404],
      ['/all/large', head, 405],
      ['/all/small', head, 413],
      ['/all/small', `${chunked}b\r\nhello world\r\n`, 413],
      ['/limited/forward', chunked, 429]
    ].map(async ([path, rest, status]) => {
      const client = new Client(url).write(
        `POST ${path} HTTP/1.1\r\n${HOST}${path === '/all/small' ? 'Content-Type: application/json\r\n' : ''}${rest}`,
        'POST'
      )
      const timer = setInterval(() => client.socket.write(rest === head ? 'a' : '1\r\na\r\n'), 20)
      const answer = await client.response()
      await until(() => client.isClosed || undefined, `the end of the connection after ${status}`)
      clearInterval(timer)
      t.equal(answer.status, status, `${path}, ${JSON.stringify(rest)}: ${answer.status} ${answer.body}`)
    })
  )
})

t.test('a connection is reused when the rest of the request has arrived', async t => {
  const { url } = await start(t, 'http://127.0.0.1:1')
  const post = `POST /all/refused HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\n`
  const client = new Client(url).write(post, 'POST')
  t.equal((await client.response()).status, 401)
  client.write(`abc${post}abc`, 'POST')
  t.equal((await client.response()).status, 401)
  client.end()
})

t.test('an unread response of the gateway itself ends at the deadline', async t => {
  const plain = await start(t, 'http://127.0.0.1:1', { deadline: 300 })
  for (const path of ['/all/large', '/all/stream']) {
    const client = new Client(plain.url)
    client.socket.pause()
    client.write(`GET ${path} HTTP/1.1\r\n${HOST}\r\n`)
    await until(async () => (await connectionsOf(plain.gateway)) === 1, 'the connection')
    await until(async () => (await connectionsOf(plain.gateway)) === 0, `the end of ${path}`)
    client.end()
  }

  const secure = await start(t, 'http://127.0.0.1:1', { deadline: 300, listen: { tls, http2: true } })
  const session = await startSession(t, secure.url)
  for (const headers of [
    { ':path': '/all/large' },
    { ':path': '/all/stream' },
    { ':path': '/nowhere' },
    { ':path': '/nowhere', ':method': 'BREW' }
  ]) {
    session.settings({ initialWindowSize: 0 })
    await once(session, 'localSettings')
    const stream = session.request(headers)
    stream.on('error', () => {})
    await until(() => stream.closed || undefined, 'the end of the stream')
    t.pass(`${JSON.stringify(headers)} is reset`)
  }
})

t.test('PING does not keep a connection without streams open', async t => {
  const { url, gateway } = await start(t, 'http://127.0.0.1:1', {
    listen: { tls, http2: { streams: 10, idleTimeout: 300 } }
  })
  const session = await startSession(t, url)
  const timer = setInterval(() => !session.destroyed && session.ping(() => {}), 20)
  await once(session, 'close')
  clearInterval(timer)
  await until(async () => (await connectionsOf(gateway)) === 0, 'the end of the connection')
})

t.test('a rejected handshake closes the connection, even if the client keeps its side open', async t => {
  const { url, gateway } = await start(t, 'http://127.0.0.1:1')
  const socket = connectTcp({ port: Number(new URL(url).port), host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {}).resume()
  socket.write(`GET /all/live HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`)
  await once(socket, 'end')
  await until(async () => (await connectionsOf(gateway)) === 0, 'the end of the connection')
  socket.destroy()
})
