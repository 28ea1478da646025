import { once } from 'node:events'
import { connect, constants } from 'node:http2'
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net'
import { Client, credentials, Server, ServerCredentials, type ServiceError, status } from '@grpc/grpc-js'
import Fastify, { type FastifyInstance } from 'fastify'
import { forward, grpc, problem, serverOptions, upstreams } from 'sluice'
import t from 'tap'
import { closedPort, type Ending, startTcpService } from '../harness.ts'
import { exchange, read, startSession, tls } from '../http2.ts'
import { until } from '../until.ts'
import { listen } from './app.ts'

const identity = (value: Buffer) => value

t.test('forwards calls, errors and deadlines in an HTTP/2 app without anything else', async t => {
  const url = await startEcho(t)
  const { call } = await startApp(t, Fastify({ http2: true }) as unknown as FastifyInstance, url)
  t.equal((await call('hello')).text, 'echo hello')
  t.match((await call(String(status.NOT_FOUND))).error, { code: status.NOT_FOUND })
  t.match((await call('hang', 100)).error, { code: status.DEADLINE_EXCEEDED })
})

t.test('errors of the gateway are a grpc-status, with any error handler', async t => {
  const down = await closedPort()
  const handlers: Record<string, (app: FastifyInstance) => unknown> = {
    "Fastify's own": () => {},
    "the user's": app => app.setErrorHandler((_error, _request, reply) => reply.code(500).send('own')),
    problem: app => app.register(problem)
  }
  for (const [name, before] of Object.entries(handlers)) {
    const app = Fastify({ http2: true }) as unknown as FastifyInstance
    await before(app)
    const { call, url } = await startApp(t, app, down)
    t.match(
      (await call('hello')).error,
      { code: status.UNAVAILABLE, details: 'The service failed to respond' },
      name
    )

    const session = connect(url)
    t.teardown(() => session.destroy())
    const other = await exchange(
      session,
      { ':method': 'POST', ':path': '/test.Echo/unary', 'content-type': 'a/b' },
      'x'
    )
    t.equal(other.status, name === "the user's" ? 500 : 415, `not gRPC, ${name}`)
    t.match(other.body.toString(), name === "the user's" ? 'own' : /This route speaks gRPC/, name)
  }
})

t.test('works over TLS with the listener of serverOptions', async t => {
  const url = await startEcho(t)
  const app = Fastify(serverOptions({ tls, http2: true }))
  await app.register(upstreams, { upstreams: { echo: { url, http2: true } } })
  await app.register(grpc)
  app.grpc({ url: '/test.Echo/*', upstream: 'echo' })
  const session = await startSession(t, await listen(t, app))
  const { headers, body } = await exchange(
    session,
    { ':method': 'POST', ':path': '/test.Echo/unary', 'content-type': 'application/grpc', te: 'trailers' },
    frame('hello')
  )
  t.match(headers['content-type'], /^application\/grpc/)
  t.equal(body.subarray(5).toString(), 'echo hello')
})

t.test('in an HTTP/2 app, aborted bodies are never taken for complete ones', async t => {
  const broken = await startTcpService(t, socket => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n')
    setTimeout(() => socket.destroy(), 50)
  })
  let received = ''
  let isClosed = false
  const silent = createServer(socket => {
    socket.on('data', chunk => {
      received += chunk.toString('latin1')
    })
    socket
      .on('error', () => {})
      .on('close', () => {
        isClosed = true
      })
  }).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => silent.close())
  const app = Fastify({ http2: true }) as unknown as FastifyInstance
  await app.register(upstreams, {
    upstreams: {
      broken: { url: broken },
      silent: { url: `http://127.0.0.1:${(silent.address() as AddressInfo).port}` }
    }
  })
  await app.register(forward)
  app.forward({ method: 'GET', url: '/*', upstream: 'broken', prefix: '' })
  app.forward({ method: 'POST', url: '/*', upstream: 'silent', prefix: '' })
  const url = await listen(t, app)
  const session = connect(url)
  t.teardown(() => session.destroy())

  const cut = await read(session.request({ ':path': '/' }))
  t.equal(cut.body.toString(), 'part')
  t.equal(cut.code, constants.NGHTTP2_INTERNAL_ERROR)

  // Node's client ends a stream before it resets it, so the upload is cut by its connection.
  const socket = connectTcp(Number(new URL(url).port), '127.0.0.1')
  const other = connect(url, { createConnection: () => socket })
  other.on('error', () => {})
  const upload = other.request({ ':method': 'POST', ':path': '/' })
  upload.on('error', () => {}).write('half')
  await until(() => received.includes('half'))
  socket.destroy()
  await until(() => isClosed)
  t.notMatch(received, /\r\n0\r\n\r\n/)

  received = ''
  isClosed = false
  const cancelled = session.request({ ':method': 'POST', ':path': '/' })
  cancelled.on('error', () => {}).write('half')
  await until(() => received.includes('half'))
  cancelled.close(constants.NGHTTP2_CANCEL)
  await until(() => isClosed)
  t.pass('a cancelled request cancels the call')
})

t.test('grpc reports missing upstreams at start', async t => {
  await t.rejects(async () => Fastify().register(grpc), { message: /^grpc needs upstreams: / })
})

async function startApp(t: Ending, app: FastifyInstance, url: string) {
  await app.register(upstreams, { upstreams: { echo: { url, http2: true } } })
  await app.register(
    async scope => {
      await scope.register(grpc)
      scope.grpc({ url: '/*', upstream: 'echo' })
    },
    { prefix: '/test.Echo' }
  )
  const own = await listen(t, app)
  const client = new Client(new URL(own).host, credentials.createInsecure())
  t.teardown(() => client.close())
  const call = (text: string, ms = 5_000) =>
    new Promise<{ text?: string; error?: ServiceError }>(resolve =>
      client.makeUnaryRequest(
        '/test.Echo/unary',
        identity,
        identity,
        Buffer.from(text),
        { deadline: Date.now() + ms },
        (error, value) => resolve(error ? { error } : { text: String(value) })
      )
    )
  return { url: own, call }
}

async function startEcho(t: Ending): Promise<string> {
  const server = new Server()
  const unary = {
    path: '/test.Echo/unary',
    requestStream: false,
    responseStream: false,
    requestSerialize: identity,
    requestDeserialize: identity,
    responseSerialize: identity,
    responseDeserialize: identity
  }
  server.addService({ unary } as never, {
    unary({ request }: any, callback: any) {
      const text = String(request)
      if (text === 'hang') return
      if (/^\d+$/.test(text)) return callback({ code: Number(text), details: 'as asked' })
      callback(null, Buffer.from(`echo ${text}`))
    }
  })
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port)
    )
  )
  t.teardown(() => server.forceShutdown())
  return `http://127.0.0.1:${port}`
}

/** A gRPC message, uncompressed. */
function frame(text: string): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(text.length, 1)
  return Buffer.concat([head, Buffer.from(text)])
}
