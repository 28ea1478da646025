import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { call } from '../harness.ts'
import { until } from '../until.ts'
import { ask } from './client.ts'
import { configOf, startServer } from './rig.ts'

const ROUTES = `
app.get('/regex', () => { console.log('hangs'); /^(a+)+$/.test('a'.repeat(60) + 'b') })
app.get('/wait', () => { console.log('hangs'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0) })
app.get('/busy', ({ query }) => {
  const end = performance.now() + Number(query.ms)
  while (performance.now() < end);
  return { pid: process.pid }
})
`
const TIMEOUT = 1_000
const env = { WORKER_HANG_TIMEOUT: String(TIMEOUT) }
const config = configOf(1, 'drain: { timeout: 60_000, idle: 100 },', ROUTES)

t.jobs = 3

t.test('a worker that hangs is replaced, and no other', async t => {
  const { child, url, admin, status, output } = await startServer(t, { config, workers: 1, env })
  const workerNow = async () => (await status()).workers[0]

  await t.test('one that is busy for less than the timeout stays', async t => {
    const before = await workerNow()
    t.same((await call(`${url}/api/busy?ms=${TIMEOUT * 0.6}`)).json, { pid: before?.pid })
    await until(async () => (await status()).state === 'ready')
    t.equal((await status()).crashes.count, 0)
  })

  for (const stopsWorker of [false, true])
    await t.test(
      `one stays when the supervisor was stopped for longer${stopsWorker ? ', and it too' : ''}`,
      async t => {
        const worker = await workerNow()
        const pids = [child.pid as number, ...(stopsWorker ? [worker?.pid as number] : [])]
        for (const pid of pids) process.kill(pid, 'SIGSTOP')
        // How long they are stopped is what this is about.
        await sleep(TIMEOUT * 1.5)
        for (const pid of pids) process.kill(pid, 'SIGCONT')
        t.match((await call(`${url}/api/edition`)).json, { pid: worker?.pid })
        // Any look that could have killed it has been by then.
        await sleep(TIMEOUT / 2)
        t.match(await status(), { crashes: { count: 0 }, workers: [{ pid: worker?.pid }] })
      }
    )

  let crashes = 0
  for (const [path, how] of [
    ['/api/regex', 'loops in native code'],
    ['/api/wait', 'waits']
  ] as const)
    await t.test(`a new worker gets connections that the hung one had not accepted: it ${how}`, async t => {
      const before = await workerNow()
      const hung = ask(t, url, path)
      await until(() => output().split('hangs\n').length === crashes + 2)
      const untouched = ask(t, url, '/api/edition')
      await until(async () => (await status()).state === 'unresponsive')
      t.match(await call(`${admin}/readyz`), { status: 503, json: { status: 'unresponsive' } })
      t.match(await call(`${admin}/livez`), { status: 200 })
      t.match(await status(), { workers: [{ pid: before?.pid, state: 'unresponsive' }] })
      await until(() => untouched.text().includes('"edition":"1"'))
      t.equal((await call(`${admin}/readyz`)).status, 200)
      t.not((await workerNow())?.pid, before?.pid)
      t.match((await status()).crashes, {
        count: ++crashes,
        last: { pid: before?.pid, reason: 'its event loop was blocked for 1 s' }
      })
      t.match(output(), /"reason":"its event loop.*"msg":"worker crashed"/)
      await until(hung.isClosed)
      t.equal(hung.text(), '')
      t.notMatch(output(), /killed while it drained/, 'its end is logged once')
    })

  await t.test('one that hangs while it drains is killed, and the exit code tells', async t => {
    ask(t, url, '/api/wait')
    await until(() => output().split('hangs\n').length === crashes + 2)
    child.kill('SIGTERM')
    await until(() => child.exitCode !== null)
    t.equal(child.exitCode, 1)
  })
})

t.test('while one worker hangs the others serve and the gateway is ready', async t => {
  const { url, admin, status } = await startServer(t, { config, workers: 2, env })
  ask(t, url, '/api/wait')
  await until(async () => (await status()).workers.some(({ state }) => state === 'unresponsive'))
  t.equal((await call(`${admin}/readyz`)).status, 200)
  for (let i = 0; i < 5; i++)
    t.equal((await call(`${url}/api/edition`, { headers: { connection: 'close' } })).status, 200)
  await until(async () => (await status()).crashes.count === 1)
})

t.test('a worker paused in a debugger is not replaced', async t => {
  const debugged = { ...env, NODE_OPTIONS: '--inspect=127.0.0.1:0' }
  const { url, status } = await startServer(t, { config, workers: 1, env: debugged })
  const [before] = (await status()).workers
  t.same((await call(`${url}/api/busy?ms=${TIMEOUT * 2}`)).json, { pid: before?.pid })
  t.equal((await status()).crashes.count, 0)
})
