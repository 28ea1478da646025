import t from 'tap'
import { call } from '../harness.ts'
import { until } from '../until.ts'
import { configOf, startServer } from './rig.ts'

const DRAIN = 'drain: { timeout: 1_000, idle: 200 },'

t.test('reloads requested during a reload share one further reload', async t => {
  const { child, url, status, reload, write } = await startServer(t, {
    config: configOf(1, DRAIN),
    workers: 1
  })
  const first = reload()
  await until(async () => (await status()).isReloading)
  write(configOf(2, DRAIN))
  child.kill('SIGHUP')
  const outcomes = await Promise.all([first, reload(), reload(), reload()])
  t.same(
    outcomes.map(({ generation }) => generation),
    [2, 3, 3, 3]
  )
  t.equal((await status()).generation, 3)
  await until(async () => (await call(`${url}/api/edition`)).json.edition === '2')
})
