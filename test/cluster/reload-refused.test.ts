import t from 'tap'
import { call } from '../harness.ts'
import { until } from '../until.ts'
import { configOf, startServer } from './rig.ts'

const DRAIN = 'drain: { timeout: 1_000, idle: 200 },'

t.test('a failed reload keeps the old workers and gives the reason; the next one succeeds', async t => {
  const { url, status, reload, write, output } = await startServer(t, {
    config: configOf(1, DRAIN),
    workers: 1
  })
  const { workers } = await status()
  const wrong: [string, RegExp][] = [
    ['export default {', /^.*gateway\.config\.ts cannot be loaded: .*gateway\.config\.ts:\d+\)$/],
    [
      'export default { listen: { port: -1 }, tiers: { x: {} } }',
      /^The configuration has 2 faults:\n\/listen\/port .*\n\/tiers\/x\/limits is missing$/
    ],
    [configOf(2, '', "throw new Error('this plugin throws')"), /^this plugin throws$/],
    ['process.exit(3)', /^the worker did not start: exit code 3$/]
  ]
  for (const [text, reason] of wrong) {
    write(text)
    const outcome = await reload()
    t.equal(outcome.outcome, 'failed')
    t.match(outcome.reason, reason)
    t.match((await status()).lastReload, { outcome: 'failed', reason, generation: 1 })
    t.equal((await call(`${url}/api/edition`)).json.edition, '1')
  }
  t.same(
    (await status()).workers.map(({ pid }) => pid),
    workers.map(({ pid }) => pid)
  )
  await until(() => output().includes('"msg":"reload failed; the old workers stay"'))
  t.match(output(), /"reason":"this plugin throws"/)
  write(configOf(3, DRAIN))
  t.match(await reload(), { outcome: 'done', generation: 2 })
  await until(async () => (await call(`${url}/api/edition`)).json.edition === '3')
})

t.test('a reload fails if a worker never gets ready', async t => {
  const { url, status, reload, write } = await startServer(t, {
    config: configOf(1, DRAIN),
    workers: 1,
    env: { WORKER_START_TIMEOUT: '8000' }
  })
  const [before] = (await status()).workers
  write('Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)')
  t.match(await reload(), { outcome: 'failed', reason: 'the worker was not ready within 8 s' })
  t.match((await status()).workers, [{ pid: before?.pid, state: 'ready' }])
  t.equal((await call(`${url}/api/edition`)).json.edition, '1')
})
