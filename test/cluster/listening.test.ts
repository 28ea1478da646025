import { fileURLToPath } from 'node:url'
import t from 'tap'
import { until } from '../until.ts'
import { configOf, startServer } from './rig.ts'

const file = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url))

t.test('the log shows the listening addresses at the start and after a reload that moves them', async t => {
  const tls = `tls: { cert: '${file('localhost.pem')}', key: '${file('localhost.key')}' }`
  const { admin, output, write, reload } = await startServer(t, {
    config: configOf(1).replace('{ port }', `{ port: 0, ${tls} }`),
    workers: 1
  })
  const lines = () =>
    output()
      .split('\n')
      .filter(line => line.includes('"msg":"listening on '))
      .map(line => JSON.parse(line))
  await until(() => lines().length === 1)
  const [first] = lines()
  t.match(first, { level: 'info', gateway: /^https:\/\/127\.0\.0\.1:[1-9]\d*$/, admin })
  t.equal(first.msg, `listening on ${first.gateway}, admin API on ${admin}`)
  write(configOf(2).replace('{ port }', "{ port: 0, host: '::1' }"))
  t.match(await reload(), { outcome: 'done' })
  await until(() => lines().length === 2)
  t.match(lines()[1], { gateway: /^http:\/\/\[::1\]:[1-9]\d*$/, admin })
  write(configOf(3).replace('{ port }', "{ port: 0, host: '::1' }"))
  t.match(await reload(), { outcome: 'done' })
  await until(() => output().includes('"generation":3,"msg":"reloaded"'))
  t.equal(lines().length, 2, 'nothing has moved')
})
