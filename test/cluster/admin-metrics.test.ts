import t from 'tap'
import { createCounterTotals } from '../../cluster/counter-totals.ts'
import { addCounters } from '../../cluster/merge/metrics.ts'
import type { Metrics } from '../../observe/metrics-text.ts'
import { call } from '../harness.ts'
import { startCluster, type TestWorker } from './workers.ts'

const ok = (_request: unknown, response: { end(text: string): void }) => void response.end('ok')

/** The value of a series: `readSeries(text, 'sluice_connections')`. */
function readSeries(text: string, series: string): number | undefined {
  const line = text.split('\n').find(one => one.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.split(' ').pop())
}

const EXCHANGES = 'sluice_exchange_duration_seconds_count'
const THINGS = `${EXCHANGES}{route="/things/*",scope="things",version="",method="GET",status="2xx"}`
const CALLS = (url: string) => `sluice_endpoint_calls_total{upstream="things",endpoint="${url}"}`

t.test('metrics are summed over workers, including ended ones', async t => {
  const { admin, workers, add, kill } = await startCluster(t, 2, ok)
  const ask = async (worker: TestWorker, times: number) => {
    for (let i = 0; i < times; i++) await call(`${worker.url}/things/1`)
  }
  const scrape = async () => (await call(`${admin}/metrics`)).text
  const [first, second] = workers as [TestWorker, TestWorker]
  const url = first.gateway.upstream('things').state().endpoints[0]?.url as string
  await ask(first, 2)
  await ask(second, 3)
  const { text, headers } = await call(`${admin}/metrics`)
  t.match(headers.get('content-type'), 'text/plain; version=0.0.4')
  t.equal(readSeries(text, THINGS), 5)
  t.equal(readSeries(text, CALLS(url)), 5)
  t.match(text, '# TYPE sluice_exchange_duration_seconds histogram')
  t.match(text, /sluice_exchange_duration_seconds_bucket\{.*le="\+Inf".*\} 5/)
  t.equal(text.split('\n').filter(line => line.startsWith('# TYPE sluice_connections ')).length, 1)
  t.notMatch(text, /null|NaN|undefined/)

  // Its last exchange is one that nobody has asked the metrics since.
  await ask(second, 4)
  await second.end()
  const after = await scrape()
  t.equal(readSeries(after, THINGS), 9)
  t.equal(readSeries(after, CALLS(url)), 9)

  await ask(first, 1)
  await scrape()
  kill(first)
  const third = await add()
  t.equal(readSeries(await scrape(), THINGS), 10, 'of one that is killed, what was last heard')
  await ask(third, 1)
  t.equal(readSeries(await scrape(), THINGS), 11)

  third.socket += '.gone'
  const fourth = await add()
  await ask(fourth, 1)
  t.equal(readSeries(await scrape(), THINGS), 12, 'one that does not answer has still counted')
})

t.test('gauges come from running workers only', async t => {
  const { admin, workers } = await startCluster(t, 2, (request, response) => {
    response.writeHead(request.url === '/things/bad' ? 500 : 200).end()
  })
  const [first, second] = workers as [TestWorker, TestWorker]
  for (let i = 0; i < 5; i++) await call(`${second.url}/things/bad`)
  await call(`${first.url}/things/good`)
  const breaker = async () =>
    readSeries((await call(`${admin}/metrics`)).text, 'sluice_breaker_state{upstream="things"}')
  t.equal(await breaker(), 2, 'the worst')
  await second.end()
  t.equal(await breaker(), 0)
})

t.test('the supervisor adds workers, crashes and the last reload', async t => {
  const { admin, cluster, add } = await startCluster(t, 2, ok)
  await add('draining')
  const status = cluster.status()
  cluster.status = () => ({
    ...status,
    workers: [...status.workers, ...status.workers.slice(0, 1)],
    startedAt: 1_500,
    crashes: { ...status.crashes, count: 3 },
    lastReload: { outcome: 'failed', reason: 'x', at: 0, duration: 0, generation: 1 }
  })
  const { text } = await call(`${admin}/metrics`)
  t.equal(readSeries(text, 'sluice_workers{state="ready"}'), 3)
  t.equal(readSeries(text, 'sluice_workers{state="draining"}'), 1)
  t.equal(readSeries(text, 'sluice_workers{state="starting"}'), 0)
  t.equal(readSeries(text, 'sluice_worker_crashes_total'), 3)
  t.equal(readSeries(text, 'sluice_last_reload_successful'), 0)
  t.equal(readSeries(text, 'sluice_start_time_seconds'), 1.5)
  t.match(text, /^sluice_build_info\{version="\d.*"\} 1$/m)
})

t.test('without metrics in the workers, the cluster serves none', async t => {
  const { admin } = await startCluster(t, 1, ok, { metrics: false })
  t.match(await call(`${admin}/metrics`), { status: 404, json: { type: 'urn:sluice:route-not-found' } })
})

t.test('counters of many ended workers are kept as one sum, without duplicates', async t => {
  const running = new Set<number>()
  const workers = () =>
    [...running].map(id => ({ id, pid: 1, generation: 1, state: 'ready' as const, socket: '' }))
  const tally = createCounterTotals<number>({ workers }, (total = 0, one) => total + one)
  for (let id = 1; id <= 100; id++) {
    running.clear()
    running.add(id)
    tally.update(id, 1)
    tally.update(id, 3)
  }
  const sum = () => tally.parts().reduce((sum, part) => sum + part, 0)
  t.equal(sum(), 300)
  t.ok(tally.parts().length <= 20, `${tally.parts().length} parts`)
  tally.update(100, 7, true)
  tally.update(100, 3)
  t.equal(sum(), 304, 'what arrives after the last word does not count')
})

t.test('series of ended workers are bounded', t => {
  const series = (from: number, count: number): Metrics => [
    {
      name: 'many',
      help: '',
      type: 'counter',
      aggregator: 'sum',
      values: Array.from({ length: count }, (_, i) => ({ labels: { nth: from + i }, value: 1 }))
    } as never
  ]
  let total = addCounters(undefined, series(0, 30_000))
  total = addCounters(total, series(20_000, 40_000))
  t.equal(total.length, 1)
  t.equal(total[0]?.values.length, 50_000)
  t.equal(total[0]?.values.find(({ labels }) => (labels as { nth: number }).nth === 25_000)?.value, 2)
  t.end()
})
