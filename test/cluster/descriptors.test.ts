import t from 'tap'
import { call, startService } from '../harness.ts'
import { until } from '../until.ts'
import { ask, type RawClient } from './client.ts'
import { configOf, startServer } from './rig.ts'

/** Connections when file descriptors run out. */

const ROUTES = `
const { openSync, closeSync } = process.getBuiltinModule('node:fs')
const held = []
app.get('/fill', async () => {
  try {
    for (;;) held.push(openSync('/dev/null'))
  } catch {}
  for (let i = 0; i < 3; i++) closeSync(held.pop())
  return { pid: process.pid }
})
const forward = (await import('../plugins/forward.ts')).default
await app.register(forward)
app.forward({ method: 'GET', url: '/things', upstream: 'things', prefix: '' })
app.get('/free', async () => ({ freed: held.splice(0).map(closeSync).length }))
`
const upstreamOf = (url: string) => `upstreams: { things: { url: '${url}', breaker: { failures: 1 } } },`
const pidOf = (client: RawClient) => Number(/"pid":(\d+)/.exec(client.text())?.[1])

t.test('a worker without file descriptors gets no connections until it has some again', async t => {
  const service = await startService(t, (_request, response) => response.end())
  const { url, output } = await startServer(t, {
    config: configOf(1, upstreamOf(service), ROUTES),
    before: 'ulimit -n 200;'
  })
  const filled = ask(t, url, '/api/fill')
  await until(() => pidOf(filled))
  const full = pidOf(filled)
  const clients: RawClient[] = []
  const open = async () => {
    const client = ask(t, url, '/api/edition')
    clients.push(client)
    await until(() => pidOf(client))
    return pidOf(client)
  }
  for (let i = 0; i < 12; i++) await open()
  const taken = clients.filter(client => pidOf(client) === full).length
  t.ok(taken <= 3, `${taken} found room there`)
  await until(() =>
    output().includes('"msg":"worker has no file descriptor left; other workers get its connections"')
  )

  // Nor has it one for a call, which says nothing of the service: its breaker would open at the first.
  for (let i = 1; i <= 2; i++) {
    filled.ask('/api/things')
    await until(() => filled.text().split('HTTP/1.1 502').length > i)
  }

  filled.ask('/api/free')
  await until(() => filled.text().includes('"freed":'))
  await until(async () => (await open()) === full)
  filled.ask('/api/things')
  await until(() => filled.text().includes('"freed":') && filled.text().split('HTTP/1.1 200').length > 3)
})

t.test('waiting connections leave the supervisor file descriptors to start a worker', async t => {
  const { url, admin, status, output } = await startServer(t, {
    config: configOf(1),
    workers: 1,
    before: 'ulimit -n 120;'
  })
  const [worker] = (await status()).workers
  process.kill(worker?.pid as number, 'SIGSTOP')
  const clients = Array.from({ length: 150 }, () => ask(t, url, '/api/edition'))
  const closed = () => clients.filter(client => client.isClosed()).length
  // Half of 120 wait, and one is on its way to the worker.
  await until(() => closed() === 150 - 61)
  await until(() => output().includes('"waiting":60,"msg":"connections rejected: no worker accepts them"'))
  t.ok(output().split('connections refused').length <= 5, 'of many there is one line')
  t.equal((await call(`${admin}/livez`)).status, 200)
  process.kill(worker?.pid as number, 'SIGKILL')
  await until(() => clients.filter(pidOf).length === 61)
})
