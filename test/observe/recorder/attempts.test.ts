import type { RequestListener } from 'node:http'
import t from 'tap'
import Type from 'typebox'
import compose from '../../../plugins/compose.ts'
import { startCluster } from '../../cluster/workers.ts'
import { call, closedPort, type Ending, startService } from '../../harness.ts'
import { until } from '../../until.ts'
import { startWatched } from './gateway.ts'
import { harFaults } from './har.ts'

const json = { 'content-type': 'application/json' }
/** Starts a gateway whose upstream `things` has these options. */
const start = async (t: Ending, listener: RequestListener, options = {}, definition = {}) =>
  startWatched(t, listener, {
    upstreams: { things: { url: await startService(t, listener), ...options } },
    ...definition
  })
const ok: RequestListener = (request, response) => {
  request.resume().on('end', () => response.setHeader('content-type', 'application/json').end('{"ok":true}'))
}

async function latest(admin: string) {
  const [{ id }] = (await call(`${admin}/exchanges?limit=1`)).json
  return (await call(`${admin}/exchanges/${id}`)).json
}

t.test('the attempts of a retried exchange are listed with their times and causes', async t => {
  const service = await startService(t, ok)
  const refused = await closedPort()
  const { url, admin } = await startWatched(t, ok, {
    upstreams: { things: { endpoints: [{ url: refused }, { url: service }] } }
  })
  let exchange: any
  // The first endpoint is chosen by chance.
  await until(async () => {
    t.equal((await call(`${url}/things/1`)).status, 200)
    exchange = await latest(admin)
    return exchange.upstreamAttempts !== undefined
  })
  t.equal(exchange.attempts, 2)
  const [first, second] = exchange.upstreamAttempts
  t.match(first, { upstream: 'things', endpoint: refused, retry: 0, cause: 'connection-refused' })
  t.equal(first.status, undefined)
  t.match(second, { upstream: 'things', endpoint: service, retry: 1, status: 200 })
  t.equal(second.cause, undefined)
  t.ok(first.startMs >= 0 && first.startMs <= first.endMs && first.endMs <= second.startMs)
  t.ok(second.headersMs <= second.endMs && second.endMs <= exchange.durationMs)
  for (const attempt of [first, second])
    t.notOk('request' in attempt || 'response' in attempt, 'contents are recorded on request only')
})

t.test('a single attempt is listed if it failed', async t => {
  const { url, admin } = await start(t, (request, response) => {
    response.writeHead(request.url === '/things/bad' ? 500 : 200).end()
  })
  await call(`${url}/things/good`)
  t.notOk('upstreamAttempts' in (await latest(admin)))
  await call(`${url}/things/bad`)
  t.match((await latest(admin)).upstreamAttempts, [{ status: 500, cause: 'service-error' }])
})

t.test('a capture with upstream keeps what was sent and received, redacted', async t => {
  let calls = 0
  const { url, admin } = await start(
    t,
    (request, response) => {
      request.resume().on('end', () => {
        response.statusCode = ++calls === 1 ? 503 : 200
        response.setHeader('x-call', calls).setHeader('set-cookie', 'sid=s3cr3t')
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ call: calls, password: 's3cr3t' }))
      })
    },
    { retry: { methods: ['POST'] } }
  )
  const capture = (options: object) =>
    call(`${admin}/captures`, { method: 'POST', headers: json, body: JSON.stringify(options) })
  const { id } = (await capture({ route: '/things/*', upstream: true })).json
  const without = await capture({ route: '/things/*' })
  await call(`${url}/things/1?token=s3cr3t`, {
    method: 'POST',
    headers: { ...json, authorization: `Bearer ${'s3cr3t'.repeat(20)}` },
    body: '{"a":1,"secret":"s3cr3t"}'
  })
  const { json: taken, text } = await call(`${admin}/captures/${id}`)
  t.notMatch(text, 's3cr3t')
  t.match(taken.match, { upstream: true })
  const [exchange] = taken.exchanges
  t.match(exchange.upstreamAttempts, [
    {
      retry: 0,
      status: 503,
      cause: 'service-error',
      method: 'POST',
      path: '/things/1?token=[redacted]',
      request: { body: { text: '{"a":1,"secret":"[redacted]"}', isTruncated: false } },
      response: { body: { text: '{"call":1,"password":"[redacted]"}' } }
    },
    {
      retry: 1,
      status: 200,
      request: { body: { text: '{"a":1,"secret":"[redacted]"}' } },
      response: { body: { text: '{"call":2,"password":"[redacted]"}' } }
    }
  ])
  const [first] = exchange.upstreamAttempts
  const headerOf = (headers: [string, string][], name: string) => headers.find(([key]) => key === name)?.[1]
  t.equal(headerOf(first.request.headers, 'authorization'), '[redacted]')
  t.match(headerOf(first.request.headers, 'x-request-id'), exchange.requestId)
  t.match(headerOf(first.request.headers, 'traceparent'), exchange.trace)
  t.equal(headerOf(first.response.headers, 'x-call'), '1')
  t.equal(headerOf(first.response.headers, 'set-cookie'), '[redacted]')

  const har = (await call(`${admin}/captures/${id}.har`)).json
  t.same(harFaults(har), [])
  const { entries } = har.log
  t.equal(entries.length, 3)
  t.match(entries[1], {
    request: { method: 'POST', url: /^http:\/\/127\.0\.0\.1:\d+\/things\/1\?token=%5Bredacted%5D$/ },
    response: { status: 503, content: { text: '{"call":1,"password":"[redacted]"}' } },
    comment: 'attempt of upstream things: service-error',
    _sluice: { parent: exchange.id, retry: 0 }
  })
  t.match(entries[2], { response: { status: 200 }, comment: 'retry 1 of upstream things' })
  t.ok(entries[0].startedDateTime <= entries[1].startedDateTime)

  const [recorded] = (await call(`${admin}/exchanges`)).json
  const { upstreamAttempts } = (await call(`${admin}/exchanges/${recorded.id}`)).json
  t.equal(upstreamAttempts.length, 2)
  t.notOk('request' in upstreamAttempts[0], 'only in the capture')
  const other = (await call(`${admin}/captures/${without.json.id}`)).json
  t.equal(other.exchanges[0].upstreamAttempts.length, 2)
  t.notOk('request' in other.exchanges[0].upstreamAttempts[0], 'not in a capture without upstream')
})

t.test('recorder.upstream keeps the contents of every attempt, up to recorder.body', async t => {
  const { url, admin } = await start(
    t,
    (request, response) => void request.pipe(response.setHeader('content-type', 'text/plain')),
    {},
    { recorder: { upstream: true, body: 16 } }
  )
  await call(`${url}/things/1`, { method: 'POST', headers: json, body: `"${'x'.repeat(30)}"` })
  t.match((await latest(admin)).upstreamAttempts, [
    {
      status: 200,
      request: { body: { text: `"${'x'.repeat(15)}`, size: 32, isTruncated: true } },
      response: { body: { text: `"${'x'.repeat(15)}`, size: 32, isTruncated: true } }
    }
  ])
  await call(`${url}/things/reset/s3cr3t`)
  const reset = await latest(admin)
  t.equal(reset.url, '/things/reset/[redacted]')
  t.equal(reset.upstreamAttempts[0].path, '/things/reset/[redacted]')
})

t.test('an aborted exchange shows the attempt that was aborted with it', async t => {
  const { url, admin } = await start(t, () => {}, {}, { deadline: 300, recorder: { upstream: true } })
  t.equal((await call(`${url}/things/1`)).status, 504)
  const { upstreamAttempts, durationMs } = await latest(admin)
  t.match(upstreamAttempts, [{ cause: 'deadline-exceeded', method: 'GET', path: '/things/1' }])
  const [attempt] = upstreamAttempts
  t.notOk('status' in attempt || 'response' in attempt)
  t.ok(attempt.endMs <= durationMs + 1)
})

t.test('parts of compositions and mirrored requests are attempts too', async t => {
  const copied = Promise.withResolvers<void>()
  const copies = await startService(t, (_request, response) => {
    response.end('{}')
    copied.resolve()
  })
  const service = await startService(t, (_request, response) => {
    response.setHeader('content-type', 'application/json').end('{"ok":true}')
  })
  const waiting = await startService(t, async (_request, response) => {
    // The exchange goes on until the copy was sent.
    await copied.promise
    response.setHeader('content-type', 'application/json').end('{"ok":true}')
  })
  const Ok = Type.Object({ ok: Type.Boolean() })
  const part = (upstream: string) => ({
    upstream,
    required: true as const,
    upstreamResponse: Ok,
    path: () => `/${upstream}?api_key=s3cr3t`
  })
  const { url, admin } = await startWatched(t, ok, {
    upstreams: {
      slow: { url: waiting },
      copied: { url: service, mirror: { to: 'copies' } },
      copies: { url: copies }
    },
    recorder: { upstream: true },
    scopes: {
      both: {
        prefix: '/both',
        routes: async app => {
          await app.register(compose)
          app.compose({
            url: '/',
            response: Type.Object({ one: Ok, two: Ok }),
            parts: { one: part('slow'), two: part('copied') },
            toClient: ({ one, two }) => ({ one, two })
          })
        }
      }
    }
  })
  t.equal((await call(`${url}/both`)).status, 200)
  const { upstreamAttempts } = await latest(admin)
  t.match(
    upstreamAttempts.map(({ upstream, part, path, isMirror }: any) => [upstream, part, path, isMirror]),
    [
      ['slow', 'one', '/slow?api_key=[redacted]', undefined],
      ['copied', 'two', '/copied?api_key=[redacted]', undefined],
      ['copies', undefined, '/copied?api_key=[redacted]', true]
    ]
  )
})

t.test('attempts and their contents are bounded', async t => {
  const large = 'x'.repeat(7_000)
  const { url, admin, gateway } = await start(
    t,
    (_request, response) => void response.writeHead(503, { 'x-a': large, 'x-b': large }).end(),
    {
      retry: { attempts: 5, budget: { floor: 100 }, backoff: { base: 1, max: 1 } },
      breaker: { failures: 100 }
    },
    { recorder: { upstream: true } }
  )
  await call(`${url}/things/1`)
  const { upstreamAttempts } = await latest(admin)
  t.equal(upstreamAttempts.length, 6)
  t.same(
    upstreamAttempts.map((attempt: object) => 'response' in attempt),
    [true, true, true, true, false, false],
    'contents beyond 64 KiB are left out'
  )
  t.ok((gateway.recorder?.counts().bytes ?? 0) < 100_000)
})

t.test('the admin API of all workers has the attempts', async t => {
  const { admin, workers } = await startCluster(t, 2, (_request, response) => {
    response.writeHead(500, json).end('{"token":"s3cr3t"}')
  })
  const { id } = (
    await call(`${admin}/captures`, {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ route: '/things/*', upstream: true })
    })
  ).json
  for (const { url } of workers) await call(`${url}/things/1`)
  const capture = (await call(`${admin}/captures/${id}`)).json
  t.equal(capture.match.upstream, true)
  for (const { upstreamAttempts } of capture.exchanges)
    t.match(upstreamAttempts, [
      { cause: 'service-error', response: { body: { text: '{"token":"[redacted]"}' } } }
    ])
  t.equal(capture.exchanges.length, 2)
  const har = (await call(`${admin}/captures/${id}.har`)).json
  t.same(harFaults(har), [])
  t.equal(har.log.entries.length, 4)
  const [recorded] = (await call(`${admin}/exchanges`)).json
  t.match((await call(`${admin}/exchanges/${recorded.id}`)).json.upstreamAttempts, [{ status: 500 }])
})
