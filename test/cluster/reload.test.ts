import t from 'tap'
import { LoadRecorder } from '../../bench/reload/load-stats.ts'
import { createClients } from '../../bench/reload/requests.ts'
import { startService } from '../harness.ts'
import { until } from '../until.ts'
import { startServer } from './rig.ts'

t.test('a reload under load changes what is served without a failed request', async t => {
  const body = JSON.stringify({ id: '1' })
  const service = await startService(t, (request, response) => {
    let size = 0
    request.on('data', chunk => {
      size += chunk.length
    })
    request.on('end', () => response.end(request.url === '/upload' ? JSON.stringify({ size }) : body))
  })
  const config = (version: number) => `
import { createConfig } from '../bench/reload/gateway.ts'
export default createConfig(${version})
`
  const { url, status, reload, write } = await startServer(t, {
    config: config(1),
    env: { SERVICE_URL: service, DRAIN: '1500', WORKER_WARM_UP: '1000' }
  })
  const recorder = new LoadRecorder()
  const send = createClients(`${url}/api`, 20, recorder)
  let count = 0
  const timer = setInterval(() => {
    send(count % 10 === 0 ? 'new' : count % 49 === 0 ? 'upload' : 'plain')
    count++
  }, 10)
  t.teardown(() => clearInterval(timer))
  const before = await status()
  write(config(2))
  t.match(await reload(), { outcome: 'done', generation: 2 })
  await until(() => recorder.stats.configs['2'])
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
  await until(() => countOf(recorder.stats.done) + countOf(recorder.stats.failures) >= count)
  t.same(recorder.stats.failures, {}, recorder.stats.samples.join('\n'))
  t.ok(recorder.stats.events['responses with Connection: close'], 'old connections are closed by a response')
})

function countOf(counts: Record<string, number>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}
