import t from 'tap'
import { createClients } from '../../bench/reload/requests.ts'
import { Counter } from '../../bench/reload/tally.ts'
import { startService } from '../harness.ts'
import { until } from '../until.ts'
import { startServer } from './rig.ts'

t.test('a reload under load changes what is served, worker by worker, and no request fails', async t => {
  const body = JSON.stringify({ id: '1' })
  const service = await startService(t, (request, response) => {
    let size = 0
    request.on('data', chunk => {
      size += chunk.length
    })
    request.on('end', () => response.end(request.url === '/upload' ? JSON.stringify({ size }) : body))
  })
  const config = (edition: number) => `
import { describe } from '../bench/reload/gateway.ts'
export default describe(${edition})
`
  const { url, status, reload, write } = await startServer(t, {
    config: config(1),
    env: { SERVICE_URL: service, DRAIN: '1500', WORKER_WARM_UP: '1000' }
  })
  const counter = new Counter()
  const ask = createClients(`${url}/api`, 20, counter)
  let count = 0
  const timer = setInterval(() => {
    ask(count % 10 === 0 ? 'new' : count % 49 === 0 ? 'upload' : 'plain')
    count++
  }, 10)
  t.teardown(() => clearInterval(timer))
  const before = await status()
  write(config(2))
  t.match(await reload(), { outcome: 'done', generation: 2 })
  await until(() => counter.tally.editions['2'])
  await until(async () => (await status()).workers.length === 2)
  clearInterval(timer)
  const { pid, generation, workers, lastReload } = await status()
  t.equal(pid, before.pid)
  t.equal(generation, 2)
  t.same(
    workers.map(({ state, generation }) => [state, generation]),
    [
      ['ready', 2],
      ['ready', 2]
    ]
  )
  t.equal(
    workers.some(({ pid }) => before.workers.some(old => old.pid === pid)),
    false
  )
  t.match(lastReload, { outcome: 'done', generation: 2 })
  await until(() => countOf(counter.tally.done) + countOf(counter.tally.failures) >= count)
  t.same(counter.tally.failures, {}, counter.tally.samples.join('\n'))
  t.ok(counter.tally.seen['connections that were told to end'], 'old connections were told to end')
})

function countOf(counts: Record<string, number>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}
