import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { call } from '../harness.ts'
import { until } from '../until.ts'
import { configOf, startServer } from './rig.ts'

t.test('clients of the admin API cannot use up the descriptors that the gateway needs', async t => {
  const { url, admin } = await startServer(t, {
    config: configOf('1'),
    workers: 1,
    before: 'ulimit -n 400;'
  })
  let closed = 0
  const clients = Array.from({ length: 450 }, () => {
    const client = connect(Number(new URL(admin).port), '127.0.0.1')
    client.on('error', () => {}).on('close', () => closed++)
    client.write('POST /reload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n')
    return client
  })
  const end = async () => {
    for (const client of clients) client.destroy()
    await until(() => closed === clients.length)
  }
  t.teardown(end)
  await until(() => closed > 0)
  t.match(await call(`${url}/api/edition`), { status: 200, json: { edition: '1' } })
  const late = connect(Number(new URL(admin).port), '127.0.0.1').on('error', () => {})
  await once(late, 'close')
  await end()
  t.match(await call(`${admin}/livez`), { status: 200 })
})
