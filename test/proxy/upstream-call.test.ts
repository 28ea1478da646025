import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { Pool } from 'undici'
import { AttemptDurations } from '../../proxy/attempt-durations.ts'
import { createBreaker } from '../../proxy/breaker.ts'
import type { Outcome, Permit } from '../../proxy/breaker-types.ts'
import { createBulkhead } from '../../proxy/bulkhead.ts'
import type { Endpoint } from '../../proxy/endpoints/endpoint.ts'
import { createRetryPolicy } from '../../proxy/retry.ts'
import { UpstreamCall } from '../../proxy/upstream-call.ts'
import type { UpstreamPolicies } from '../../proxy/upstream-policies.ts'
import { call, closedPort, startGateway, startService } from '../harness.ts'

/** Creates calls that go to the first endpoint that has not failed them. */
async function start(t: Tap, urls: string[], policies: Partial<UpstreamPolicies> = {}) {
  const reports: [number, Outcome][] = []
  const endpoints = urls.map((url, index): Endpoint => {
    const dispatcher = new Pool(url, { headersTimeout: 0, bodyTimeout: 0 })
    t.teardown(() => dispatcher.destroy())
    const report = (outcome: Outcome) => void reports.push([index, outcome])
    return { url, base: '', dispatcher, inFlight: 0, report, note: () => {} }
  })
  const breaker = createBreaker(
    'orders',
    { failures: 5, resetTimeout: 30_000, halfOpenRequests: 1 },
    () => {}
  )
  t.teardown(() => breaker.close())
  const all: UpstreamPolicies = {
    breaker,
    bulkhead: createBulkhead(() => 10, 10),
    endpoints: {
      pick: (_request, tried = []) => endpoints.find(endpoint => !tried.includes(endpoint)) ?? endpoints[0],
      size: 1,
      hasOther: tried => endpoints.some(endpoint => !tried.includes(endpoint)),
      act() {},
      state: () => [],
      close: async () => {}
    },
    retry: createRetryPolicy(),
    timeout: 0,
    idleTimeout: 0,
    bufferLimit: 65_536,
    maxBody: 65_536,
    counts: { retries: 0, exhausted: 0 },
    durations: new AttemptDurations(),
    reject: () => {},
    ...policies
  }
  const attempts: number[] = []
  const { url } = await startGateway(t, {
    scopes: {
      orders: {
        prefix: '/orders',
        routes: async app => {
          app.removeAllContentTypeParsers()
          app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
          app.route({
            method: ['GET', 'POST'],
            url: '/',
            handler(request, reply) {
              const { exchange, method, body } = request
              const headers = { ...(body !== undefined && { 'content-type': 'text/plain' }) }
              all.bulkhead.enter(
                new UpstreamCall(
                  all,
                  { exchange, method, path: '/', headers, body: (body as never) ?? null },
                  breaker.admit() as Permit,
                  (error, response) => {
                    attempts.push(exchange.attempts)
                    if (error) reply.send(error)
                    else reply.code(response?.statusCode as number).send(response?.body)
                  }
                )
              )
            }
          })
        }
      }
    }
  })
  return { url: `${url}/orders`, reports, endpoints, attempts, policies: all }
}
type Tap = { teardown(end: () => unknown): void }

t.test('a retry goes to another endpoint, and each attempt is reported', async t => {
  const good = await startService(t, (_request, response) => response.end('good'))
  const { url, reports, endpoints, attempts, policies } = await start(t, [await closedPort(), good])
  t.equal((await call(url)).text, 'good')
  t.same(reports, [
    [0, 'failure'],
    [1, 'success']
  ])
  t.same(
    endpoints.map(({ inFlight }) => inFlight),
    [0, 0]
  )
  t.same(attempts, [2], 'the exchange counts attempts')
  t.match(policies.breaker.counts(), { calls: 1, successes: 1, failures: 0 })
})

t.test('a hanging attempt is retried at another endpoint', async t => {
  const hanging = await startService(t, () => {})
  const good = await startService(t, (_request, response) => response.end('good'))
  const { url, reports } = await start(t, [hanging, good], {
    timeout: 200,
    retry: createRetryPolicy({
      attempts: 1,
      on: ['timeout'],
      methods: ['GET'],
      budget: { ratio: 0.2, floor: 3 },
      backoff: { base: 25, max: 250 },
      maxRetryAfter: 1_000,
      maxBody: 65_536
    })
  })
  t.equal((await call(url)).text, 'good')
  t.same(reports, [
    [0, 'failure'],
    [1, 'success']
  ])
})

t.test('a POST after a failed connection attempt is retried with its body', async t => {
  const good = await startService(t, (request, response) => request.pipe(response))
  const { url } = await start(t, [await closedPort(), good])
  t.equal((await call(url, { method: 'POST', body: 'x'.repeat(200_000) })).text, 'x'.repeat(200_000))
})

t.test('without endpoints the response is 503, and no failure', async t => {
  const { url, policies } = await start(t, [])
  t.equal((await call(url)).status, 503)
  t.match(policies.bulkhead.counts(), { running: 0 })
  t.match(policies.breaker.counts(), { failures: 0 })
})

t.test('no retry after a disconnect', async t => {
  let reached = 0
  const first = await startService(t, (request, response) => {
    reached++
    request.socket.on('close', () => response.destroy())
  })
  let calls = 0
  const second = await startService(t, (_request, response) => {
    calls++
    response.end()
  })
  const { url, reports } = await start(t, [first, second])
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write('GET /orders HTTP/1.1\r\nhost: gateway\r\n\r\n')
  while (reached === 0) await new Promise(resolve => setTimeout(resolve, 5))
  socket.destroy()
  await once(socket, 'close')
  while (reports.length === 0) await new Promise(resolve => setTimeout(resolve, 5))
  t.same(reports, [[0, 'neutral']])
  t.equal(calls, 0)
})
