import { once } from 'node:events'
import { request as httpRequest, type RequestListener, type ServerResponse } from 'node:http'
import { constants } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import Type from 'typebox'
import compose from '../../plugins/compose.ts'
import forward from '../../plugins/forward.ts'
import transform from '../../plugins/transform.ts'
import { call, type Ending, startGateway, startService } from '../harness.ts'
import { exchange, read, startSession, tls } from '../http2.ts'
import { data, headers, reset, startFrameService } from './http2/frames.ts'
import { until } from './service.ts'

/**
 * A missed deadline is a failure of the service if it had at least half of the time. Each test waits for most of a deadline;
 * on a slow machine all of it passes, and the assertions still hold.
 */

const DEADLINE = 400
const MOST = 320
const upstream = 'things' as never
const Any = Type.Object({})

async function routes(app: FastifyInstance): Promise<void> {
  await app.register(forward)
  await app.register(transform)
  await app.register(compose)
  app.forward({ method: ['GET', 'POST', 'PUT'], url: '/things', upstream, prefix: '' })
  app.forward({ method: 'GET', url: '/long', upstream, prefix: '', config: { deadline: 60_000 } })
  app.forward({
    method: 'GET',
    url: '/held',
    upstream,
    prefix: '',
    // Like a plugin that calls an issuer or a counter.
    preHandler: async () => void (await sleep(MOST))
  })
  app.transform({
    method: 'POST',
    url: '/transformed',
    upstream,
    body: Any,
    upstreamResponse: Any,
    response: Any,
    toUpstream: ({ body }) => ({ method: 'POST', path: '/things', body }),
    toClient: () => ({})
  })
  const part = (timeout?: number) => ({
    things: {
      upstream,
      required: true as const,
      upstreamResponse: Any,
      path: () => '/things',
      ...(timeout && { timeout })
    }
  })
  app.compose({ url: '/composed', parts: part(), response: Any, toClient: () => ({}) })
  app.compose({
    url: '/part',
    parts: part(MOST),
    response: Any,
    toClient: () => ({}),
    config: { deadline: 60_000 }
  })
}

async function start(t: Ending, listener: RequestListener, options: object = {}, more: object = {}) {
  const service = await startService(t, listener)
  const { url, gateway } = await startGateway(t, {
    deadline: DEADLINE,
    upstreams: { things: { url: service, breaker: { failures: 1 }, retry: { attempts: 0 }, ...options } },
    scopes: { things: { prefix: '/a', routes } },
    ...more
  })
  return { url: `${url}/a`, state: () => gateway.upstream(upstream).state() }
}

const hang: RequestListener = request => void request.resume()
const blameless = { state: 'closed', failures: 0 }

for (const path of ['/things', '/composed', '/part'])
  t.test(`a service that had the full time fails: ${path}`, async t => {
    const { url, state } = await start(t, hang)
    t.equal((await call(url + path)).status, 504)
    t.match(state().breaker, { state: 'open', failures: 1 })
  })

async function* late(text: string) {
  yield Buffer.from(text.slice(0, -1))
  await sleep(MOST)
  yield Buffer.from(text.slice(-1))
}

for (const [path, headers] of [
  ['/things', {}],
  ['/things', { 'content-length': '2' }],
  ['/transformed', { 'content-type': 'application/json' }],
  ['/transformed', { 'content-type': 'application/json', 'content-length': '2' }]
] as const)
  t.test(
    `a body that comes late leaves the service little time: ${path} ${Object.keys(headers)}`,
    async t => {
      const { url, state } = await start(t, hang)
      const request = httpRequest(url + path, { method: 'POST', headers }).on('error', () => {})
      for await (const chunk of late('{}')) request.write(chunk)
      request.end()
      const [response] = await once(request, 'response')
      t.ok(response.statusCode === 504 || response.statusCode === 408)
      t.match(state().breaker, blameless)
    }
  )

for (const path of ['/things', '/transformed'])
  t.test(`a late body over HTTP/2 leaves the service little time: ${path}`, async t => {
    const { url, state } = await start(t, hang, {}, { listen: { tls, http2: true } })
    const session = await startSession(t, url)
    const stream = session.request({
      ':method': 'POST',
      ':path': `/a${path}`,
      'content-type': 'application/json'
    })
    const answer = read(stream)
    for await (const chunk of late('{}')) stream.write(chunk)
    stream.end()
    t.ok([504, 408].includes((await answer).status))
    t.match(state().breaker, blameless)
  })

t.test('a slow upload does not make the service slow', async t => {
  const slow = { threshold: 100, ratio: 0.1, minimumCalls: 1 }
  const { url, state } = await start(
    t,
    (request, response) => void request.resume().on('end', () => response.end('done')),
    { breaker: { slow } },
    { deadline: 60_000 }
  )
  const options = { method: 'POST', body: late('{}'), duplex: 'half' } as never
  t.equal((await call(`${url}/things`, options)).text, 'done')
  t.match(state().breaker, { state: 'closed', slow: 0 })
})

t.test('a request delayed in the gateway does not count as a failure', async t => {
  const { url, state } = await start(t, hang)
  t.equal((await call(`${url}/held`)).status, 504)
  t.match(state().breaker, blameless)
})

for (const [where, options] of Object.entries({
  'the bulkhead': { concurrency: { max: 1 } },
  'a pool of connections': { connections: 1, concurrency: { max: 9 } },
  'a pool, and timed': { connections: 1, concurrency: { max: 9 }, timeout: MOST / 2 }
}))
  t.test(`a call that waited in ${where} does not count as a failure`, async t => {
    const responses: ServerResponse[] = []
    const { url, state } = await start(
      t,
      (_request, response) => {
        responses.push(response)
        if ('timeout' in options && responses.length === 1) response.writeHead(200).write('beginning')
      },
      options
    )
    const holder = call(`${url}/long`)
    await until(() => responses.length === 1)
    const [waiting] = await Promise.all([
      Promise.all(['/things', '/part'].map(path => call(url + path))),
      sleep(MOST * 0.9).then(() => responses[0]?.end('done'))
    ])
    for (const { status } of waiting) t.equal(status, 504)
    await holder
    t.match(state().breaker, blameless)
  })

t.test('a retry with little time left does not undo the failed attempt', async t => {
  let calls = 0
  const { url, state } = await start(
    t,
    (_request, response) => {
      if (calls++ === 0) setTimeout(() => response.writeHead(503).end(), MOST * 0.9)
    },
    { retry: { attempts: 1, backoff: { base: 0 } } }
  )
  t.equal((await call(`${url}/things`)).status, 504)
  t.equal(calls, 2)
  t.match(state(), { breaker: { state: 'open', failures: 1 }, endpoints: [{ calls: 1, failures: 1 }] })
})

t.test('a slow reader leaves the service little time, even if it catches up', async t => {
  let isReading = false
  const answer: RequestListener = (_request, response) => {
    // As much as the connections buffer, then little.
    const send = () => {
      if (!isReading) response.write(Buffer.alloc(1_048_576))
      else if (!response.destroyed && response.write('x')) setTimeout(send, 5)
    }
    response.on('drain', send).writeHead(200)
    send()
  }
  const { url, state } = await start(t, answer, {}, { deadline: 2_000 })
  const request = httpRequest(`${url}/things`)
    .on('error', () => {})
    .end()
  const [response] = await once(request, 'response')
  response.on('error', () => {})
  await sleep(1_200)
  isReading = true
  response.resume()
  await new Promise(resolve => response.once('close', resolve))
  await until(() => state().calls.running === 0)
  t.match(state().breaker, blameless)
})

// Over HTTP/1.1 a paused reader does not notice the end of the connection.
for (const [wait, expected] of [
  [0, { state: 'open', failures: 1 }],
  [1_100, blameless]
] as const)
  t.test(`an HTTP/2 service that aborts after the client has paused for ${wait} ms`, async t => {
    let breakOff = (): void => {}
    const service = await startFrameService(t, (stream, socket) => {
      socket.write(headers(stream, { ':status': '200' }))
      for (let i = 0; i < 15; i++) socket.write(data(stream, Buffer.alloc(16_000)))
      breakOff = () => void socket.write(reset(stream, constants.NGHTTP2_CANCEL))
    })
    const options = { url: service.url, http2: true }
    const { url, state } = await start(t, hang, options, { listen: { tls, http2: true }, deadline: 60_000 })
    const session = await startSession(t, url, { settings: { initialWindowSize: 1_000 } })
    const stream = session.request({ ':path': '/a/things' }).on('error', () => {})
    await once(stream, 'response')
    await sleep(wait)
    breakOff()
    await until(() => state().calls.running === 0)
    t.match(state().breaker, expected)
  })

t.test('an event stream may be silent', async t => {
  const { url, state } = await start(
    t,
    (_request, response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders(),
    {},
    {
      scopes: {
        things: {
          prefix: '/a',
          routes: async (app: FastifyInstance) => {
            await app.register(forward)
            const config = { deadline: 0, idleTimeout: 100 }
            app.forward({ method: 'GET', url: '/events', upstream, prefix: '', config })
          }
        }
      }
    }
  )
  await t.rejects(call(`${url}/events`))
  t.match(state().breaker, { ...blameless, successes: 1 })
})

t.test('an HTTP/2 client gets the same 504', async t => {
  const { url, state } = await start(t, hang, {}, { listen: { tls, http2: true } })
  const session = await startSession(t, url)
  t.equal((await exchange(session, { ':path': '/a/things' })).status, 504)
  t.match(state().breaker, { state: 'open', failures: 1 })
})
