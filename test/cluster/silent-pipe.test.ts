import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { call, closedPort, environmentOf } from '../harness.ts'
import { until } from '../until.ts'

t.test('an unread log does not keep processes from ending', async t => {
  const [port, adminPort] = [new URL(await closedPort()).port, new URL(await closedPort()).port]
  const child = spawn(process.execPath, ['server.ts'], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: environmentOf({ PORT: port, ADMIN_PORT: adminPort, WORKERS: '1' }),
    // Its pipe and the buffer behind it take 64 KiB each.
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => child.kill('SIGKILL'))
  const ready = () => call(`http://127.0.0.1:${adminPort}/readyz`).catch(() => undefined)
  await until(async () => (await ready())?.status === 200)
  const url = `http://127.0.0.1:${port}/api/v1/nothing`
  // 300 bytes of log each.
  for (let i = 0; i < 30; i++)
    await Promise.all(Array.from({ length: 50 }, () => call(url, { headers: { connection: 'close' } })))
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  t.equal(code, 0)
})
