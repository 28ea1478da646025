import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { call, closedPort, environmentOf } from '../harness.ts'
import { until } from '../until.ts'

t.test('entries that several workers write to one pipe do not mix', async t => {
  const [port, adminPort] = [new URL(await closedPort()).port, new URL(await closedPort()).port]
  const env = environmentOf({ PORT: port, ADMIN_PORT: adminPort, WORKERS: '2' })
  const shell = spawn('sh', ['-c', `'${process.execPath}' server.ts | cat`], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env,
    stdio: ['ignore', 'pipe', 'inherit']
  })
  let output = ''
  shell.stdout.on('data', chunk => {
    output += chunk
  })
  const admin = `http://127.0.0.1:${adminPort}`
  await until(() =>
    call(`${admin}/readyz`).then(
      ({ status }) => status === 200,
      () => false
    )
  )
  const { pid } = (await call(`${admin}/cluster`)).json
  t.teardown(() => {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  })
  const url = `http://127.0.0.1:${port}/api/v1/nothing/${'x'.repeat(500)}`
  for (let i = 0; i < 20; i++)
    await Promise.all(Array.from({ length: 20 }, () => call(url, { headers: { connection: 'close' } })))
  process.kill(pid, 'SIGTERM')
  await once(shell, 'close')
  const lines = output
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  const exchanges = lines.filter(({ msg }) => msg === 'exchange')
  t.equal(exchanges.length, 400)
  t.equal(new Set(exchanges.map(({ pid }) => pid)).size, 2, 'of both workers')
})
