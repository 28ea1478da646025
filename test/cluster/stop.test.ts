import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { Agent, request } from 'node:http'
import t from 'tap'
import { call } from '../harness.ts'
import { until } from '../until.ts'
import { ask } from './client.ts'
import { configOf, startServer } from './rig.ts'

const ROUTES = `
// Nothing else is done meanwhile.
app.get('/block', async () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300))
app.get('/slow', () => new Promise(resolve => setTimeout(resolve, 1_000, { slow: true })))
app.get('/events', { config: { deadline: 0 } }, (request, reply) => {
  reply.hijack()
  reply.raw.writeHead(200, { 'content-type': 'text/event-stream' })
  reply.raw.write('data: 1\\n\\n')
})
`

t.test(
  'SIGTERM: readyz turns 503, connections are accepted during the delay, exchanges finish, exit code 0',
  async t => {
    const { child, url, admin, status } = await startServer(t, {
      config: configOf(1, 'drain: { delay: 1_500, timeout: 5_000, idle: 100 },', ROUTES),
      workers: 1
    })
    t.same((await call(`${admin}/readyz`)).json, { status: 'ready' })
    child.kill('SIGTERM')
    await until(async () => (await call(`${admin}/readyz`)).status === 503)
    t.same((await call(`${admin}/readyz`)).json, { status: 'draining' })
    t.equal((await call(`${admin}/livez`)).status, 200)
    t.equal((await status()).workers[0]?.state, 'ready')
    const agent = new Agent({ keepAlive: true })
    t.teardown(() => agent.destroy())
    t.match(
      await get(`${url}/api/edition`, agent),
      { status: 200, connection: 'keep-alive' },
      'it takes connections'
    )
    const slow = get(`${url}/api/slow`, agent)
    const [code] = await once(child, 'exit')
    t.match(await slow, { status: 200 })
    t.equal(code, 0)
  }
)

for (const [path, count] of [
  ['/api/edition', 300],
  ['/api/block', 8]
] as const)
  t.test(
    `${count} connections that wait when the gateway stops are accepted, and ${path} responds`,
    async t => {
      const { child, url } = await startServer(t, {
        config: configOf(1, 'drain: { timeout: 6_000, idle: 100 },', ROUTES),
        workers: 1
      })
      // They come as far as the system takes them.
      child.kill('SIGSTOP')
      const clients = Array.from({ length: count }, () => ask(t, url, path))
      await until(() => clients.every(({ isConnected }) => isConnected()))
      child.kill('SIGTERM')
      child.kill('SIGCONT')
      t.same(await once(child, 'exit'), [0, null])
      await until(() => clients.every(({ isClosed }) => isClosed()))
      const answered = clients.filter(({ text }) => text().startsWith('HTTP/1.1 200'))
      t.equal(answered.length, count)
    }
  )

t.test('endless responses are aborted before the timeout, and the process exits with 0', async t => {
  const { child, url, output } = await startServer(t, {
    config: configOf(1, 'drain: { timeout: 1_000, idle: 100 },', ROUTES),
    workers: 1
  })
  const asked = request(`${url}/api/events`, { agent: false }).end()
  const [response] = await once(asked, 'response')
  await once(response, 'data')
  response.on('error', () => {})
  const ended = new Promise(resolve => response.on('close', resolve))
  child.kill('SIGTERM')
  const [[code]] = await Promise.all([once(child, 'exit'), ended])
  t.equal(code, 0)
  // This one did not even hear of its end.
  t.match(output(), /"cut":1,"msg":"connections cut at the end of the drain"/)
})

t.test('a second signal ends everything at once', async t => {
  const { child, url, status, temporary } = await startServer(t, {
    config: configOf(1, 'drain: { timeout: 60_000 },', ROUTES),
    workers: 1
  })
  const [worker] = (await status()).workers
  const asked = request(`${url}/api/events`, { agent: false }).end()
  const [response] = await once(asked, 'response')
  response.on('error', () => {})
  child.kill('SIGINT')
  await until(async () => (await status()).state === 'draining')
  child.kill('SIGINT')
  t.same(await once(child, 'exit'), [1, null])
  await until(() => !isRunning(worker?.pid as number))
  t.same(readdirSync(temporary), [], 'nothing is left in the file system')
})

t.test('workers without a supervisor finish their requests and exit', async t => {
  const { child, url, status, temporary } = await startServer(t, {
    config: configOf(1, 'drain: { timeout: 5_000, idle: 100 },', ROUTES),
    workers: 2
  })
  const { workers } = await status()
  const slow = call(`${url}/api/slow`)
  await until(async () => (await status()).workers.some(({ connections }) => connections > 0))
  child.kill('SIGKILL')
  t.same((await slow).json, { slow: true })
  await until(() => !workers.some(({ pid }) => isRunning(pid)))
  t.same(readdirSync(temporary), [], 'nothing is left in the file system')
})

function get(url: string, agent: Agent): Promise<{ status: number; connection: string | undefined }> {
  return new Promise((resolve, reject) => {
    request(url, { agent }, response => {
      const { statusCode = 0, headers } = response
      response.resume().on('end', () => resolve({ status: statusCode, connection: headers.connection }))
    })
      .on('error', reject)
      .end()
  })
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
