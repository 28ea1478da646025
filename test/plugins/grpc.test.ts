import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceError,
  status
} from '@grpc/grpc-js'
import t from 'tap'
import forward from '../../plugins/forward.ts'
import grpc from '../../plugins/grpc.ts'
import { closedPort, type Ending, startGateway } from '../harness.ts'
import { ca, exchange, startSession, tls } from '../http2.ts'
import { until } from '../until.ts'

const asIs = (value: Buffer) => value
const path = (name: string) => `/test.Echo/${name}`
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: path(name),
  requestStream,
  responseStream,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs
})

async function startEcho(t: Ending) {
  const seen = { cancelled: 0, headers: {} as Record<string, unknown> }
  const server = new Server()
  server.addService(
    {
      unary: method('unary', false, false),
      server: method('server', false, true),
      client: method('client', true, false),
      bidi: method('bidi', true, true)
    } as never,
    {
      unary(call: any, callback: any) {
        seen.headers = call.metadata.getMap()
        call.on('cancelled', () => seen.cancelled++)
        const text = String(call.request)
        const trailers = new Metadata()
        trailers.set('x-trailer', 'behind')
        if (text === 'hang') return
        if (/^\d+$/.test(text)) return callback({ code: Number(text), details: 'as asked' })
        if (text === 'fail') return callback({ code: status.FAILED_PRECONDITION, details: 'not möglich' })
        callback(null, Buffer.from(`echo ${text}`), trailers)
      },
      server(call: any) {
        for (let i = 0; i < 3; i++) call.write(Buffer.from(`${call.request} ${i}`))
        call.end()
      },
      client(call: any, callback: any) {
        const parts: string[] = []
        call.on('data', (part: Buffer) => parts.push(String(part)))
        call.on('end', () => callback(null, Buffer.from(parts.join('+'))))
      },
      bidi(call: any) {
        call.on('cancelled', () => seen.cancelled++)
        call.on('data', (part: Buffer) => call.write(Buffer.from(`echo ${part}`)))
        call.on('end', () => call.end())
      }
    }
  )
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port)
    )
  )
  t.teardown(() => server.forceShutdown())
  return { url: `http://127.0.0.1:${port}`, seen }
}

async function start(t: Ending, url: string, scope: object = {}, upstream: object = {}) {
  const gateway = await startGateway(t, {
    listen: { tls, http2: true },
    upstreams: { products: { url, http2: true, breaker: { failures: 2 }, ...upstream } },
    issuers: { shop: { issuer: 'http://127.0.0.1:1', audience: 'a' } },
    tiers: { one: { limits: [{ limit: 1, window: 60_000 }] } },
    scopes: {
      echo: {
        prefix: '/test.Echo',
        routes: async (app: import('fastify').FastifyInstance) => {
          await app.register(forward)
          await app.register(grpc)
          app.grpc({ url: '/*', upstream: 'products' })
        },
        ...scope
      }
    }
  } as never)
  const client = new Client(
    gateway.url.replace('https://127.0.0.1', 'localhost'),
    credentials.createSsl(Buffer.from(ca))
  )
  t.teardown(() => client.close())
  return { ...gateway, client }
}

interface Outcome {
  error: ServiceError | null
  text: string
  trailers: Metadata | undefined
}

function unary(client: Client, text: string, options: object = {}): Promise<Outcome> {
  return new Promise(resolve => {
    let outcome: { error: ServiceError | null; text: string }
    client
      .makeUnaryRequest(
        path('unary'),
        asIs,
        asIs,
        Buffer.from(text),
        new Metadata(),
        options,
        (error, value) => {
          outcome = { error, text: String(value) }
        }
      )
      .on('status', ({ metadata }) => setImmediate(() => resolve({ ...outcome, trailers: metadata })))
  })
}

t.test('calls of every kind pass, with their trailers', async t => {
  const { url, seen } = await startEcho(t)
  const { client } = await start(t, url)
  const { text, trailers } = await unary(client, 'one')
  t.equal(text, 'echo one')
  t.same(trailers?.get('x-trailer'), ['behind'])
  t.match(seen.headers, { via: '2.0 sluice', 'x-forwarded-proto': 'https' })

  const parts: string[] = []
  for await (const part of client.makeServerStreamRequest(path('server'), asIs, asIs, Buffer.from('part')))
    parts.push(String(part))
  t.same(parts, ['part 0', 'part 1', 'part 2'])

  const joined = await new Promise<string>((resolve, reject) => {
    const call = client.makeClientStreamRequest(path('client'), asIs, asIs, (error, value) =>
      error ? reject(error) : resolve(String(value))
    )
    for (const part of ['a', 'b', 'c']) call.write(Buffer.from(part))
    call.end()
  })
  t.equal(joined, 'a+b+c')

  const call = client.makeBidiStreamRequest(path('bidi'), asIs, asIs)
  for (const word of ['ping', 'pong']) {
    call.write(Buffer.from(word))
    const [answer] = await new Promise<[Buffer]>(resolve => call.once('data', data => resolve([data])))
    t.equal(String(answer), `echo ${word}`)
  }
  call.end()
  t.equal((await new Promise<{ code: number }>(resolve => call.on('status', resolve))).code, status.OK)
})

t.test('many at once, on few connections', async t => {
  const { url } = await startEcho(t)
  const { client } = await start(t, url)
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => unary(client, `number ${i}`)))
  t.same(
    answers.map(({ text }) => text),
    Array.from({ length: 100 }, (_, i) => `echo number ${i}`)
  )
})

t.test('a service’s own status passes', async t => {
  const { url } = await startEcho(t)
  const { client } = await start(t, url)
  t.match((await unary(client, 'fail')).error, { code: status.FAILED_PRECONDITION, details: 'not möglich' })
})

for (const [code, outcome] of [
  [status.OK, 'success'],
  [status.CANCELLED, 'answered'],
  [status.UNKNOWN, 'failure'],
  [status.INVALID_ARGUMENT, 'answered'],
  [status.DEADLINE_EXCEEDED, 'failure'],
  [status.NOT_FOUND, 'answered'],
  [status.RESOURCE_EXHAUSTED, 'answered'],
  [status.UNIMPLEMENTED, 'answered'],
  [status.INTERNAL, 'failure'],
  [status.UNAVAILABLE, 'failure'],
  [status.DATA_LOSS, 'failure'],
  [status.UNAUTHENTICATED, 'answered'],
  [77, 'failure']
] as const)
  t.test(
    `a call that ends with ${status[code] ?? code} is a ${outcome} to breaker, endpoint and metrics`,
    async t => {
      const { url } = await startEcho(t)
      const { client, gateway } = await start(t, url)
      await unary(client, code === 0 ? 'ok' : String(code))
      const state = () => gateway.upstream('products').state()
      await until(() => state().breaker.calls === 1)
      const { breaker, endpoints } = state()
      t.equal(breaker.failures, outcome === 'failure' ? 1 : 0)
      t.equal(breaker.successes, outcome === 'success' ? 1 : 0)
      t.equal(endpoints[0]?.failures, outcome === 'failure' ? 1 : 0)
      const counted = async () =>
        (await gateway.metrics?.metrics())?.match(/_count\{route="\/test.Echo.*status="(.*?)"\} 1/)?.[1]
      await until(async () => (await counted()) !== undefined)
      t.equal(await counted(), { success: '2xx', answered: '4xx', failure: '5xx' }[outcome])
    }
  )

t.test('calls that fail open the breaker, whose fallback is not for gRPC', async t => {
  const { url } = await startEcho(t)
  const lines: string[] = []
  const fallback = { body: { instead: true } }
  const { client, gateway } = await start(t, url, {}, { fallback })
  gateway.onExchangeEnd(({ status, isFailed, grpcStatus }) =>
    lines.push(`${status} ${isFailed} ${grpcStatus}`)
  )
  for (let i = 0; i < 2; i++)
    t.match((await unary(client, String(status.INTERNAL))).error, {
      code: status.INTERNAL,
      details: 'as asked'
    })
  t.equal(gateway.upstream('products').state().breaker.state, 'open')
  t.match((await unary(client, 'x')).error, {
    code: status.UNAVAILABLE,
    details: 'Service temporarily unavailable'
  })
  await until(() => lines.length === 3)
  t.same(lines, ['500 true 13', '500 true 13', '503 true 14'])
})

t.test('a deadline and a cancellation reach the service', async t => {
  const { url, seen } = await startEcho(t)
  const { client } = await start(t, url)
  t.match((await unary(client, 'hang', { deadline: Date.now() + 200 })).error, {
    code: status.DEADLINE_EXCEEDED
  })
  await until(() => seen.cancelled === 1)
  const call = client.makeBidiStreamRequest(path('bidi'), asIs, asIs)
  call.on('error', () => {})
  call.write(Buffer.from('ping'))
  await new Promise(resolve => call.once('data', resolve))
  call.cancel()
  await until(() => seen.cancelled === 2)
  t.pass('both are cancelled')
})

t.test('errors of the gateway are sent as grpc-status', async t => {
  const { url } = await startEcho(t)
  const guarded = await start(t, url, { jwt: 'shop' })
  t.match((await unary(guarded.client, 'x')).error, {
    code: status.UNAUTHENTICATED,
    details: 'Missing authorization token'
  })
  const limited = await start(t, url, { rateLimit: { address: 'one' } })
  t.equal((await unary(limited.client, 'x')).text, 'echo x')
  t.match((await unary(limited.client, 'x')).error, { code: status.RESOURCE_EXHAUSTED })
  const away = await start(t, await closedPort())
  for (let i = 0; i < 3; i++) t.match((await unary(away.client, 'x')).error, { code: status.UNAVAILABLE })
  // Node's own clients close by themselves; a raw one is closed here.
  const session = await startSession(t, (await start(t, url)).url)
  const stream = session.request({
    ':path': path('bidi'),
    ':method': 'POST',
    'content-type': 'application/grpc',
    'grpc-timeout': '100m',
    te: 'trailers'
  })
  const trailers = await new Promise<object>(resolve => stream.on('trailers', resolve).resume())
  t.match(trailers, { 'grpc-status': '4' })
})

t.test('a request that is not gRPC gets 415 as a problem', async t => {
  const { url } = await startEcho(t)
  const gateway = await start(t, url)
  const session = await startSession(t, gateway.url)
  const { status, headers } = await exchange(
    session,
    { ':path': path('unary'), ':method': 'POST', 'content-type': 'application/json' },
    '{}'
  )
  t.equal(status, 415)
  t.equal(headers['content-type'], 'application/problem+json')
})
