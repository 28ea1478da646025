import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { call, closedPort, environmentOf } from '../harness.ts'
import { until } from '../until.ts'
import { configOf, startServer } from './rig.ts'

/** Milliseconds: npx itself takes seconds on a busy machine. */
const START = 60_000
const root = fileURLToPath(new URL('../..', import.meta.url))

for (const signal of ['SIGTERM', 'SIGKILL'] as const)
  t.test(`a gateway started by npx ends when npx gets ${signal}`, async t => {
    const [port, adminPort] = [new URL(await closedPort()).port, new URL(await closedPort()).port]
    const npx = spawn('npx', ['-c', `"${process.execPath}" cli/sluice.js start`], {
      cwd: root,
      env: environmentOf({ PORT: port, ADMIN_PORT: adminPort, WORKERS: '1', LOG_LEVEL: 'silent' }),
      stdio: 'ignore'
    })
    t.teardown(() => npx.kill('SIGKILL'))
    const cluster = () => call(`http://127.0.0.1:${adminPort}/cluster`).catch(() => undefined)
    await until(async () => (await cluster())?.status === 200, START)
    const pid = (await cluster())?.json.pid
    t.teardown(() => {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended, as it should.
      }
    })
    npx.kill(signal)
    await until(async () => (await cluster()) === undefined)
    t.equal((await call(`http://127.0.0.1:${port}/`).catch(({ cause }) => cause))?.code, 'ECONNREFUSED')
  })

t.test('a Ctrl-C, sent by the terminal and again by npm, drains', async t => {
  const { child, status } = await startServer(t, {
    config: configOf(1),
    workers: 1,
    env: { npm_lifecycle_event: 'start' }
  })
  t.equal((await status()).state, 'ready')
  child.kill('SIGINT')
  child.kill('SIGINT')
  await until(() => child.exitCode !== null)
  t.equal(child.exitCode, 0)
})
