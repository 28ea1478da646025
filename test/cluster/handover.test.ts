import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { LoadRecorder } from '../../bench/reload/load-stats.ts'
import { createClients } from '../../bench/reload/requests.ts'
import { inheritedSockets } from '../../cluster/sockets.ts'
import { call, startService } from '../harness.ts'
import { until } from '../until.ts'
import { configOf, startServer } from './rig.ts'

const CLOSE = { headers: { connection: 'close' } }

t.test('SIGUSR2 hands the sockets to a new process without a failed request', async t => {
  const service = await startService(t, (_request, response) => response.end(JSON.stringify({ id: '1' })))
  const config = (version: number) => `
import { createConfig } from '../bench/reload/gateway.ts'
export default createConfig(${version})
`
  const { child, url, status, write, output } = await startServer(t, {
    config: config(1),
    workers: 1,
    env: { SERVICE_URL: service, DRAIN: '1500' }
  })
  const recorder = new LoadRecorder()
  const send = createClients(`${url}/api`, 10, recorder)
  let count = 0
  const timer = setInterval(() => send(count++ % 3 === 0 ? 'new' : 'plain'), 10)
  t.teardown(() => clearInterval(timer))

  write("throw new Error('not like this')")
  child.kill('SIGUSR2')
  await until(() => output().includes('"msg":"not handed over; this process continues"'))
  t.match(output(), /^.* cannot be loaded: not like this /m, 'the other says why')
  t.match(await status(), { pid: child.pid, state: 'ready' })

  write(config(2))
  child.kill('SIGUSR2')
  const [code] = await once(child, 'exit')
  t.equal(code, 0)
  await until(() => recorder.stats.configs['2'])
  t.not((await status()).pid, child.pid)
  clearInterval(timer)
  const total = (counts: Record<string, number>) => Object.values(counts).reduce((sum, n) => sum + n, 0)
  await until(() => total(recorder.stats.done) + total(recorder.stats.failures) >= count)
  t.same(recorder.stats.failures, {}, recorder.stats.samples.join('\n'))
})

t.test('a new process serves although its parent was killed while it started', async t => {
  const { child, url, file, status, write } = await startServer(t, { config: configOf(1), workers: 1 })
  const [waits, go] = [join(dirname(file), 'waits'), join(dirname(file), 'go')]
  write(`import { existsSync, writeFileSync } from 'node:fs'
writeFileSync(${JSON.stringify(waits)}, '')
while (!existsSync(${JSON.stringify(go)})) await new Promise(resolve => setTimeout(resolve, 20))
${configOf(2)}`)
  child.kill('SIGUSR2')
  await until(() => existsSync(waits))
  child.kill('SIGKILL')
  await once(child, 'exit')
  writeFileSync(go, '')
  const successor = () =>
    status().then(
      ({ pid, state }) => state === 'ready' && pid !== child.pid,
      () => false
    )
  await until(successor)
  // By then it has said that it is ready, to nobody.
  for (let i = 0; i < 20; i++) t.equal((await call(`${url}/api/edition`, CLOSE)).json.edition, '2')
  t.ok(await successor())
})

t.test('sockets opened by systemd are recognized by name or by order', t => {
  const LISTEN_PID = String(process.pid)
  t.same(inheritedSockets({}), {})
  t.same(inheritedSockets({ LISTEN_FDS: '1', LISTEN_PID }), { gateway: 3 })
  t.same(inheritedSockets({ LISTEN_FDS: '2', LISTEN_PID, LISTEN_FDNAMES: 'unknown:unknown' }), {
    gateway: 3,
    admin: 4
  })
  t.same(inheritedSockets({ LISTEN_FDS: '3', LISTEN_PID, LISTEN_FDNAMES: 'x:admin:gateway' }), {
    gateway: 5,
    admin: 4
  })
  t.same(inheritedSockets({ LISTEN_FDS: '1', LISTEN_PID: '1' }), {}, 'they are for another process')
  t.end()
})
