import { connect } from 'node:net'
import t from 'tap'
import { backoff } from '../../cluster/backoff.ts'
import { call } from '../harness.ts'
import { until } from '../until.ts'
import { configOf, startServer } from './rig.ts'

const DRAIN = 'drain: { timeout: 3_000, idle: 200 },'
const ROUTES = `
app.get('/throw', async () => void setImmediate(() => { throw new Error('thrown by a plugin') }))
app.get('/slow', () => new Promise(resolve => setTimeout(resolve, 1_500, { slow: true })))
`

t.test('a killed worker is replaced, and another one gets its unacknowledged connection', async t => {
  const { url, status, output } = await startServer(t, { config: configOf(1, DRAIN, ROUTES), workers: 1 })
  const [before] = (await status()).workers
  // It cannot take anything any more.
  process.kill(before?.pid as number, 'SIGSTOP')
  const { port } = new URL(url)
  let answer = ''
  const socket = connect(Number(port), '127.0.0.1', () =>
    socket.write('GET /api/edition HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  )
  socket.on('data', chunk => {
    answer += chunk
  })
  socket.on('error', () => {})
  await until(async () => (await status()).workers[0]?.connections === 1)
  process.kill(before?.pid as number, 'SIGKILL')
  await until(() => answer.includes('"edition":"1"'))
  const { crashes, workers, generation, state } = await status()
  t.match(crashes, { count: 1, last: { pid: before?.pid, reason: 'signal SIGKILL' } })
  t.match(workers, [{ state: 'ready', generation: 1 }])
  t.not(workers[0]?.pid, before?.pid)
  t.equal(generation, 1)
  t.equal(state, 'ready')
  await until(() => output().includes('"msg":"worker replaced"'))
  t.match(output(), /"reason":"signal SIGKILL".*"msg":"worker crashed"/)
})

t.test('an uncaught error ends its worker after the requests in progress', async t => {
  const { url, status, output } = await startServer(t, { config: configOf(1, DRAIN, ROUTES), workers: 1 })
  const [before] = (await status()).workers
  const slow = call(`${url}/api/slow`)
  await until(async () => (await status()).workers[0]?.connections === 1)
  const thrown = call(`${url}/api/throw`)
  t.same((await slow).json, { slow: true })
  t.equal((await thrown).status, 200)
  await until(async () =>
    (await status()).workers.every(({ pid, state }) => pid !== before?.pid && state === 'ready')
  )
  t.match((await status()).crashes, { count: 1, last: { reason: 'thrown by a plugin' } })
  t.match(output(), /"message":"thrown by a plugin".*"msg":"worker failed"/)
  t.equal((await call(`${url}/api/edition`)).status, 200)
})

t.test('a worker that keeps crashing is restarted with growing delays, and by a reload at once', async t => {
  const { status, write, reload, output } = await startServer(t, { config: configOf(1, DRAIN), workers: 1 })
  const [before] = (await status()).workers
  // Its replacement cannot start.
  write("throw new Error('broken since')")
  process.kill(before?.pid as number, 'SIGKILL')
  await until(async () => ((await status()).crashes.count as number) >= 3)
  const { crashes, state } = await status()
  t.equal(crashes.last?.reason.includes('broken since'), true)
  t.equal(state, 'starting', 'nobody takes connections')
  const waits = () =>
    [...output().matchAll(/"wait":(\d+),"msg":"worker crashed"/g)].map(([, wait]) => Number(wait))
  await until(() => waits().length >= 3)
  const [first, second = 0, third = 0] = waits()
  t.equal(first, 0)
  t.ok(second >= 250 && second <= 500, `${second} ms`)
  t.ok(third >= 500 && third <= 1_000, `${third} ms`)
  write(configOf(2, DRAIN))
  t.match(await reload(), { outcome: 'done', generation: 2 })
  t.match(await status(), { state: 'ready', crashes: { nextStartAt: undefined } })
})

t.test('delays double up to a bound, with jitter of up to a half', t => {
  const times = { base: 100, max: 1_000 }
  t.same(
    [1, 2, 3, 4, 5, 6, 7, 1_000].map(failures => backoff(failures, times, () => 0)),
    [0, 100, 200, 400, 800, 1_000, 1_000, 1_000]
  )
  t.equal(
    backoff(3, times, () => 1),
    100
  )
  t.end()
})
