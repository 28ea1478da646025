import t from 'tap'
import { call, closedPort, startService } from '../harness.ts'
import { until } from '../until.ts'
import { configOf, startServer } from './rig.ts'

const DRAIN = 'drain: { timeout: 1_000, idle: 200 },'

t.test('a reload may move the listeners; if an address is unavailable nothing changes', async t => {
  const { admin, url, status, write, reload } = await startServer(t, {
    config: configOf(1, DRAIN),
    workers: 1
  })
  const [next, nextAdmin] = [await closedPort(), await closedPort()]
  const moved = (gateway: string, operators: string) =>
    configOf(2, DRAIN)
      .replace('{ port }', `{ port: ${new URL(gateway).port} }`)
      .replace('Number(process.env.ADMIN_PORT)', new URL(operators).port)
  const taken = await startService(t, (_request, response) => response.end())

  write(moved(taken, nextAdmin))
  t.match(await reload(), { outcome: 'failed', reason: /^127\.0\.0\.1:\d+ is in use by another process$/ })
  write(moved(next, taken))
  t.match(await reload(), { outcome: 'failed', reason: /^127\.0\.0\.1:\d+ is in use by another process$/ })
  t.equal((await call(`${url}/api/edition`)).json.edition, '1')
  t.equal((await status()).generation, 1)
  await t.rejects(call(`${next}/api/edition`), 'nobody listens there')

  write(moved(next, nextAdmin))
  t.match(await reload(), { outcome: 'done' })
  await until(async () => (await call(`${next}/api/edition`)).json.edition === '2')
  t.match((await call(`${nextAdmin}/cluster`)).json, { generation: 2 })
  // A kept-alive connection serves one more request, with `Connection: close`.
  for (const old of [`${url}/api/edition`, `${admin}/cluster`]) await until(() => isRefused(old))
})

function isRefused(url: string): Promise<boolean> {
  return call(url).then(
    () => false,
    ({ cause }) => cause.code === 'ECONNREFUSED'
  )
}
