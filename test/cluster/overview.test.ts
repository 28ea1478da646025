import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { call } from '../harness.ts'
import { until } from '../until.ts'
import { configOf, startServer } from './rig.ts'
import { startCluster, type TestWorker } from './workers.ts'

t.test('the history has rates, error ratios and durations of all workers by scope', async t => {
  const { admin, kept, workers, add, kill } = await startCluster(t, 2, (request, response) => {
    response.writeHead(request.url === '/things/bad' ? 500 : 200).end()
  })
  const { history } = kept
  t.same((await call(`${admin}/history`)).json, {
    interval: 10_000,
    times: [],
    total: { rate: [], errorRatio: [], rejectedRatio: [], p50: [], p95: [], p99: [] },
    scopes: {}
  })
  t.same((await call(`${admin}/overview`)).json.scopes, [])
  const [first, second] = workers as [TestWorker, TestWorker]
  const askOf = async (worker: TestWorker, good: number, bad: number) => {
    for (let i = 0; i < good; i++) await call(`${worker.url}/things/good`)
    for (let i = 0; i < bad; i++) await call(`${worker.url}/things/bad`)
  }
  await askOf(first, 4, 0)
  await askOf(second, 1, 3)
  await call(`${first.url}/elsewhere`)
  await history.sample()
  const { times, total, scopes } = (await call(`${admin}/history`)).json
  t.equal(times.length, 1)
  t.ok(Math.abs(times[0] - Date.now()) < 60_000)
  t.same(scopes.things.errorRatio, [3 / 8])
  t.same(total.errorRatio, [0.3333], 'exchanges outside of scopes count in the total')
  t.same([scopes.things.rejectedRatio, total.rejectedRatio], [[0], [0.1111]])
  t.ok(scopes.things.rate[0] > 0 && scopes.things.rate[0] < total.rate[0])
  const [p50, p99] = [scopes.things.p50[0], scopes.things.p99[0]]
  t.ok(p50 > 0 && p50 <= p99, `${p50} ${p99}`)
  t.match((await call(`${admin}/overview`)).json, {
    state: 'ready',
    workers: { ready: 2, total: 2 },
    total: { errorRatio: 0.3333, rejectedRatio: 0.1111 },
    scopes: [{ scope: 'things', errorRatio: 3 / 8, p50, p99 }]
  })

  // One ends as in a reload, one is killed, and both are replaced.
  await askOf(first, 2, 2)
  await first.end()
  kill(second)
  await askOf(await add(), 0, 4)
  await history.sample()
  await history.sample()
  const after = (await call(`${admin}/history`)).json
  t.same(after.scopes.things.errorRatio, [3 / 8, 6 / 8, null], 'each exchange counts once')
  t.equal(after.scopes.things.rate[2], 0)
})

t.test('/overview says what is wrong now, and what to do', async t => {
  const { admin, kept, workers } = await startCluster(t, 2, (_request, response) => {
    response.writeHead(500).end()
  })
  t.same((await call(`${admin}/overview`)).json.problems, [])
  await kept.history.sample()
  for (let i = 0; i < 100; i++) await call(`${workers[0]?.url}/things/bad`)
  await kept.history.sample()
  const [worker] = workers as [TestWorker]
  worker.state = 'unresponsive'
  const { problems, causes } = (await call(`${admin}/overview`)).json
  t.match(causes, [
    { scope: 'things', upstream: 'things', cause: 'breaker-open', ratio: 0.95, errorRatio: 0.95 },
    { scope: 'things', upstream: 'things', cause: 'service-error', ratio: 0.05, endpoint: /^http:/ }
  ])
  t.match(problems, [
    { kind: 'breaker-open', severity: 'critical', subject: 'things', page: 'upstreams?name=things' },
    { kind: 'worker-unresponsive', severity: 'warning', subject: 'worker 1', page: 'deploys' }
  ])
  for (const { message, since } of problems) {
    t.match(message, /^[A-Z\d].*[;,] .*\.$/, message)
    t.equal(new Date(since).toISOString(), since)
  }
})

t.test('a scope that fails is told with its cause, without flickering', async t => {
  const { admin, kept, workers } = await startCluster(t, 1, (request, response) => {
    response.writeHead(request.url === '/things/bad' ? 500 : 200).end()
  })
  const problemsAfter = async (bad: number) => {
    // Not in a row, which would open the breaker.
    for (let i = 0; i < 100; i++)
      await call(`${workers[0]?.url}/things/${i % 2 === 0 && i < 2 * bad ? 'bad' : 'good'}`)
    await kept.history.sample()
    return (await call(`${admin}/overview`)).json.problems
  }
  await problemsAfter(0)
  t.same(await problemsAfter(4), [], 'below the threshold')
  const [problem, ...others] = await problemsAfter(10)
  t.same(others, [])
  t.match(problem, {
    kind: 'errors',
    message:
      /^10 % of the exchanges of scope "things" fail with a 5xx, 100 % of them with service-error at http:.* of upstream "things";/
  })
  t.match(await problemsAfter(4), [{ kind: 'errors', since: problem.since }])
  t.same(await problemsAfter(2), [])
  t.same(await problemsAfter(4), [])
})

t.test('a reached limit is a problem, with the names of consumers for operators only', async t => {
  const { admin, build, kept, workers } = await startCluster(
    t,
    1,
    (_request, response) => void response.end(),
    {
      trustProxy: ['127.0.0.1'],
      tiers: { free: { limits: [{ limit: 10, window: 60_000 }] } },
      scopes: {
        limited: {
          prefix: '/limited',
          rateLimit: { address: 'free' },
          routes: async app => {
            app.get('/', async () => 'ok')
          }
        }
      }
    }
  )
  const ask = async (address: string, times: number) => {
    for (let i = 0; i < times; i++)
      await call(`${workers[0]?.url}/limited`, { headers: { 'x-forwarded-for': address } })
  }
  const problemNow = async () => {
    await kept.history.sample()
    const { problems } = (await call(`${admin}/overview`)).json
    return problems.find(({ kind }: { kind: string }) => kind === 'limit-reached')
  }
  await ask('192.0.2.1', 5)
  t.equal(await problemNow(), undefined)
  await ask('192.0.2.1', 15)
  const problem = await problemNow()
  t.match(problem, { severity: 'warning', subject: 'free', page: 'limits?tier=free' })
  t.equal(
    problem.message,
    'Address "192.0.2.1" is over the limit of tier "free" (10 in 60 s): 10 requests rejected in the last 10 s, 67 % of scope "limited"; raise the limit, or ask for fewer requests.'
  )
  t.ok(Date.parse(problem.since) <= Date.now())
  t.match((await call(`${admin}/overview`)).json.scopes, [{ scope: 'limited', rejectedRatio: 0.6667 }])
  const open = await build({ host: '0.0.0.0' })
  const hidden = (await open.inject('/overview'))
    .json()
    .problems.find(({ kind }: { kind: string }) => kind === 'limit-reached')
  t.match(hidden.message, /^An address is over the limit of tier "free"/)
  for (const last of [2, 3, 4]) await ask(`192.0.2.${last}`, 11)
  t.match(
    (await problemNow()).message,
    /^4 consumers or addresses \(address ".*", address ".*", address ".*" and others\) are over the limit of tier "free"/
  )
  t.equal(await problemNow(), undefined, 'gone without rejections')
})

t.test('a problem keeps the time when it was seen first until it is gone', async t => {
  const { admin, workers } = await startCluster(t, 2, (_request, response) => void response.end())
  const sinceNow = async () => (await call(`${admin}/overview`)).json.problems[0]?.since
  const [worker] = workers as [TestWorker]
  worker.state = 'unresponsive'
  const first = await sinceNow()
  t.ok(Date.parse(first) <= Date.now())
  await sleep(5)
  t.equal(await sinceNow(), first)
  worker.state = 'ready'
  t.equal(await sinceNow(), undefined)
  worker.state = 'unresponsive'
  t.ok((await sinceNow()) > first)
})

t.test('/events sends the state of several routes', async t => {
  const { admin, build } = await startCluster(t, 1, (_request, response) => void response.end('ok'))
  const response = await fetch(`${admin}/events?topics=overview,upstreams,cluster`)
  t.equal(response.headers.get('content-type'), 'text/event-stream')
  t.equal(response.headers.get('cache-control'), 'no-store')
  let text = ''
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString()
    if (['overview', 'upstreams', 'cluster'].every(topic => text.includes(`event: ${topic}\n`))) break
  }
  const [, upstreams = ''] = /^event: upstreams\ndata: (.*)$/m.exec(text) ?? []
  t.match(JSON.parse(upstreams), [{ name: 'things', breaker: { state: 'closed' } }])
  t.match(await call(`${admin}/events?topics=overview,nothing`), {
    status: 400,
    json: { type: 'urn:sluice:unknown-topic', topic: 'nothing' }
  })
  t.equal((await call(`${admin}/events`)).status, 400)
  const open = await build({ host: '0.0.0.0' })
  t.equal((await open.inject('/events?topics=overview')).statusCode, 403)

  const app = await build()
  const other = await fetch(`${await app.listen({ port: 0, host: '127.0.0.1' })}/events?topics=cluster`)
  const reading = other.text()
  await app.close()
  t.match(await reading, /^retry: 2000\n/)
})

t.test('/route-rates has the rates of each route since the previous call', async t => {
  const { admin, workers, add } = await startCluster(t, 2, (request, response) => {
    response.writeHead(request.url === '/things/bad' ? 500 : 200).end()
  })
  const ask = async (worker: TestWorker | undefined, path: string, times: number) => {
    for (let i = 0; i < times; i++) await call(`${worker?.url}${path}`)
  }
  await ask(workers[0], '/things/good', 5)
  const first = (await call(`${admin}/route-rates`)).json
  t.match(first, [{ route: '/things/*', method: 'GET', scope: 'things', version: '', rate: 0, p50: null }])
  t.equal(first.length, 1)
  await ask(workers[0], '/things/good', 3)
  await ask(workers[1], '/things/bad', 2)
  await ask(await add(), '/things/bad', 1)
  const [route] = (await call(`${admin}/route-rates`)).json
  t.equal(route.errorRatio, 0.5)
  t.ok(route.rate > 0 && route.p50 > 0 && route.p50 <= route.p99)
})

t.test('the supervisor samples the workers by itself', async t => {
  const { url, admin, child } = await startServer(t, { config: configOf(1), workers: 2 })
  for (let i = 0; i < 10; i++) await call(`${url}/api/edition`)
  await until(async () => (await call(`${admin}/history`)).json.times.length > 0)
  t.match((await call(`${admin}/overview`)).json, {
    total: { errorRatio: 0 },
    scopes: [{ scope: 'api', errorRatio: 0 }]
  })
  const stream = await fetch(`${admin}/events?topics=overview`)
  child.kill('SIGTERM')
  // A reader does not keep the gateway from stopping.
  await once(child, 'exit')
  t.equal(child.exitCode, 0)
  await stream.text().catch(() => {})
})
