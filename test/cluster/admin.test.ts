import { once } from 'node:events'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import type { ReloadOutcome } from '../../cluster/cluster-types.ts'
import { mergeLimits } from '../../cluster/merge/limits.ts'
import { products } from '../../routes/products.ts'
import { call } from '../harness.ts'
import { startCluster, type TestWorker } from './workers.ts'

const ok = (_request: unknown, response: { end(text: string): void }) => void response.end('ok')

/** One that takes connections and says nothing. */
async function hang(t: Test, worker: TestWorker, directory: string): Promise<void> {
  const path = `${directory}.hanging`
  const server = createServer(socket => socket.on('error', () => {})).listen(path)
  await once(server, 'listening')
  t.teardown(() => server.close())
  worker.socket = path
}

t.test('readyz is 200 while at least one worker accepts requests', async t => {
  const { admin, workers } = await startCluster(t, 2, ok)
  t.same((await call(`${admin}/livez`)).json, { status: 'live' })
  t.match(await call(`${admin}/readyz`), { status: 200, json: { status: 'ready' } })
  const [first, second] = workers as [TestWorker, TestWorker]
  first.state = 'draining'
  t.equal((await call(`${admin}/readyz`)).status, 200)
  second.state = 'starting'
  t.match(await call(`${admin}/readyz`), { status: 503, json: { status: 'starting' } })
  t.equal((await call(`${admin}/livez`)).status, 200)
})

t.test('/cluster shows the processes without the paths of their sockets', async t => {
  const { admin } = await startCluster(t, 2, ok)
  const { json, text } = await call(`${admin}/cluster`)
  t.match(json, { state: 'ready', generation: 1, workers: [{ id: 1, state: 'ready' }, { id: 2 }] })
  t.notMatch(text, 'sock')
})

t.test('POST /reload responds with the outcome', async t => {
  let outcome: ReloadOutcome = { outcome: 'done', reason: undefined, at: 5, duration: 7, generation: 2 }
  const { admin, build } = await startCluster(t, 1, ok, {}, async () => outcome)
  const reload = (headers = {}) => call(`${admin}/reload`, { method: 'POST', headers })
  t.match(await reload(), { status: 200, json: { outcome: 'done', generation: 2 } })
  outcome = { outcome: 'failed', reason: '/tiers/free is missing', at: 5, duration: 7, generation: 2 }
  const failed = await reload()
  t.equal(failed.headers.get('content-type'), 'application/problem+json')
  t.match(failed, {
    status: 409,
    json: { type: 'urn:sluice:reload-failed', reason: '/tiers/free is missing', generation: 2 }
  })
  t.equal((await call(`${admin}/reload`)).status, 405)
  t.match(await reload({ origin: 'https://elsewhere.example' }), {
    status: 403,
    json: { type: 'urn:sluice:admin-cross-site' }
  })
  t.equal((await reload({ origin: admin })).status, 409)

  const open = await build({ host: '0.0.0.0' })
  t.equal((await open.inject({ method: 'POST', url: '/reload' })).statusCode, 403, 'not from anywhere')
  const guarded = await build({ host: '0.0.0.0', token: 'a-token-of-operators' })
  for (const [authorization, status] of [
    ['', 401],
    ['Bearer a-token-of-operators', 409]
  ] as const)
    for (const url of ['/reload', '/cluster', '/upstreams', '/exchanges', '/captures'])
      t.equal(
        (
          await guarded.inject({
            method: url === '/reload' ? 'POST' : 'GET',
            url,
            headers: { authorization }
          })
        ).statusCode,
        url === '/reload' || status === 401 ? status : 200,
        url
      )
})

t.test('upstreams of all workers merge: sums of counters and the worst state', async t => {
  const { admin, workers } = await startCluster(t, 3, (request, response) => {
    response.writeHead(request.url === '/things/bad' ? 500 : 200).end()
  })
  const [first, second] = workers as [TestWorker, TestWorker]
  for (let i = 0; i < 3; i++) await call(`${first.url}/things/good`)
  for (let i = 0; i < 5; i++) await call(`${second.url}/things/bad`)
  const { json, headers } = await call(`${admin}/upstreams`)
  t.match(json, [
    {
      name: 'things',
      breaker: {
        state: 'open',
        workers: { open: [2], closed: [1, 3] },
        calls: 8,
        successes: 3,
        failures: 5,
        opened: 1,
        since: /Z$/,
        until: /Z$/,
        history: [{ at: /Z$/, state: 'open', cause: 'service-error' }]
      },
      calls: { running: 0, queued: 0 },
      endpoints: [
        {
          state: 'healthy',
          calls: 8,
          failures: 5,
          inFlight: 0,
          lastError: { at: /Z$/, cause: 'service-error' }
        }
      ]
    }
  ])
  const [{ breaker }] = json
  t.ok(
    Math.abs(Date.parse(breaker.since) - Date.now()) < 60_000 && breaker.until > breaker.since,
    JSON.stringify(breaker)
  )
  t.equal(json.length, 1)
  t.notOk('workers' in json[0].endpoints[0], 'all see the same')
  t.equal(headers.get('sluice-missing'), null)
})

t.test('versions are summed by consumer, including ended workers', async t => {
  const versions = { v1: { routes: products }, v2: { routes: products } }
  const { admin, workers, add } = await startCluster(t, 2, ok, {
    trustProxy: ['127.0.0.1'],
    upstreams: { products: { url: 'http://127.0.0.1:1' } },
    scopes: { products: { prefix: '/{version}/products', versions } }
  } as never)
  const ask = async (worker: TestWorker | undefined, version: string, address: string, times: number) => {
    for (let i = 0; i < times; i++)
      await call(`${worker?.url}/${version}/products`, { headers: { 'x-forwarded-for': address } })
  }
  const [first, second] = workers as [TestWorker, TestWorker]
  await ask(first, 'v1', '192.0.2.1', 2)
  await ask(first, 'v1', '192.0.2.2', 3)
  await ask(second, 'v1', '192.0.2.1', 4)
  await ask(second, 'v1', '192.0.2.3', 1)
  const shown = async (top = 20) => (await call(`${admin}/versions?top=${top}`)).json
  const consumers = [
    { consumer: '192.0.2.1', calls: 6 },
    { consumer: '192.0.2.2', calls: 3 },
    { consumer: '192.0.2.3', calls: 1 }
  ]
  t.match(await shown(), [
    { scope: 'products', version: 'v1', calls: 10, known: 3, dropped: 0, consumers },
    { scope: 'products', version: 'v2', calls: 0, lastCall: null, known: 0 }
  ])
  t.same(
    (await shown(1))[0].consumers.map(({ consumer }: { consumer: string }) => consumer),
    ['192.0.2.1'],
    'those who call most of all, not of one worker'
  )
  const [{ lastCall }] = await shown()
  t.ok(
    lastCall ===
      (await shown())[0].consumers
        .map((one: { lastCall: string }) => one.lastCall)
        .sort()
        .at(-1)
  )

  await ask(second, 'v1', '192.0.2.3', 7)
  await second.end()
  t.match(await shown(), [{ calls: 17, consumers: [{ consumer: '192.0.2.3', calls: 8 }, { calls: 6 }] }])
  await ask(await add(), 'v1', '192.0.2.2', 2)
  t.match((await shown())[0], { calls: 19, known: 3 })
  t.equal((await call(`${admin}/versions?top=1001`)).status, 400)
})

t.test('a worker that does not respond is left out and named', async t => {
  const { admin, workers } = await startCluster(t, 3, ok)
  const [first, second, third] = workers as [TestWorker, TestWorker, TestWorker]
  for (const worker of workers) await call(`${worker.url}/things/1`)
  await hang(t, second, second.socket)
  third.socket += '.gone'
  const { json, headers } = await call(`${admin}/upstreams`)
  t.equal(json[0].breaker.calls, 1)
  t.equal(headers.get('sluice-missing'), '"worker 2", "worker 3"')
  t.match((await call(`${admin}/exchanges`)).json, [{ url: '/things/1' }])
  first.socket += '.gone'
  for (const path of [
    '/upstreams',
    '/versions',
    '/metrics',
    '/exchanges',
    '/exchanges.har',
    '/exchanges/live'
  ])
    t.match(
      await call(admin + path),
      { status: 503, json: { type: 'urn:sluice:workers-silent', title: 'No worker responds' } },
      path
    )
  t.equal((await call(`${admin}/cluster`)).status, 200)
  for (const worker of workers) worker.state = 'starting'
  t.match(await call(`${admin}/upstreams`), { status: 200, json: [] }, 'one that starts is not asked')
})

t.test('/limits shows where limits are counted and the decisions of all workers', async t => {
  const { admin, workers } = await startCluster(t, 2, ok, {
    trustProxy: ['127.0.0.1'],
    tiers: { free: { limits: [{ limit: 1, window: 60_000 }] } },
    scopes: {
      limited: {
        prefix: '/limited',
        rateLimit: { address: 'free' },
        routes: async app => {
          app.get('/', async () => 'ok')
        }
      }
    }
  })
  for (const worker of workers)
    for (const expected of [200, 429]) t.equal((await call(`${worker.url}/limited`)).status, expected)
  const { json } = await call(`${admin}/limits`)
  t.match(json, {
    // Nobody answers the workers of this test.
    store: 'supervisor',
    state: 'unavailable',
    since: /^\d{4}-.*Z$/,
    reason: 'no response from the supervisor in time',
    tiers: [{ name: 'free', decisions: { allowed: 0, rejected: 2, local: 2, open: 0, closed: 0 } }]
  })
  t.notOk('workers' in json)
})

t.test('a worker that cannot count limits shows in the merged state', t => {
  const decisions = { allowed: 1, rejected: 0, local: 2, open: 0, closed: 0, unavailable: 0 }
  const up = { store: 'redis' as const, state: 'up' as const, since: '2026-11-24T12:00:00.000Z' }
  const merged = mergeLimits([
    { worker: 1, state: { ...up, tiers: [{ name: 'free', decisions }] } },
    {
      worker: 2,
      state: { ...up, state: 'unavailable', reason: 'READONLY', tiers: [{ name: 'free', decisions }] }
    }
  ])
  t.strictSame(merged, {
    ...up,
    state: 'unavailable',
    reason: 'READONLY',
    tiers: [{ name: 'free', decisions: { ...decisions, allowed: 2, local: 4 } }],
    workers: { up: [1], unavailable: [2] }
  })
  t.end()
})
