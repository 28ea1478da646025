import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { call, closedPort, type Ending, environmentOf, startService } from './harness.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

function run(
  t: Ending,
  env: Record<string, string>,
  args: string[] = []
): ChildProcess & { output: () => string } {
  const child = spawn(process.execPath, ['server.ts', ...args], {
    cwd: root,
    env: environmentOf(env)
  })
  let output = ''
  child.stdout.on('data', chunk => {
    output += chunk
  })
  child.stderr.on('data', chunk => {
    output += chunk
  })
  t.teardown(() => child.kill('SIGKILL'))
  return Object.assign(child, { output: () => output })
}

async function startServer(t: Ending, env: Record<string, string> = {}) {
  const [port, adminPort] = [new URL(await closedPort()).port, new URL(await closedPort()).port]
  const child = run(t, { PORT: port, ADMIN_PORT: adminPort, ...env })
  const admin = `http://127.0.0.1:${adminPort}`
  while ((await call(`${admin}/readyz`).catch(() => undefined)) === undefined) {
    if (child.exitCode !== null) throw new Error(child.output())
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  return { child, admin, url: `http://127.0.0.1:${port}` }
}

t.test(
  'starts and is ready with every service, the issuer and Redis down, and stops on SIGTERM with 0',
  async t => {
    const down = await closedPort()
    const { child, admin, url } = await startServer(t, {
      USERS_URL: down,
      ORDERS_URL: down,
      PRODUCTS_URL: down,
      JWT_ISSUER: down,
      REDIS_URL: down.replace('http', 'redis')
    })
    t.same((await call(`${admin}/livez`)).json, { status: 'live' })
    t.same((await call(`${admin}/readyz`)).json, { status: 'ready' })
    t.equal((await call(`${url}/api/v1/products`)).status, 502)
    const upstreams = (await call(`${admin}/upstreams`)).json
    t.match(upstreams, [
      { name: 'users', breaker: { state: 'closed', calls: 0 } },
      { name: 'orders' },
      {
        name: 'products',
        breaker: { state: 'closed', calls: 1, failures: 1, rejected: 0, opened: 0 },
        endpoints: [{ url: down, state: 'healthy' }]
      }
    ])
    t.equal((await call(`${admin}/nothing`)).status, 404)
    t.equal((await call(`${url}/upstreams`)).status, 404, 'the admin side is not on the public listener')
    child.kill('SIGTERM')
    const [code] = await once(child, 'exit')
    t.equal(code, 0)
  }
)

t.test(
  'finishes what is under way when it is told to stop, and does not wait for idle connections',
  async t => {
    let arrived: (() => void) | undefined
    let answer: (() => void) | undefined
    const slow = await startService(t, (_request, response) => {
      answer = () => response.end('late')
      arrived?.()
    })
    const { child, url } = await startServer(t, { PRODUCTS_URL: slow })
    const reached = new Promise<void>(resolve => {
      arrived = resolve
    })
    const pending = call(`${url}/api/v1/products`)
    await reached
    child.kill('SIGTERM')
    await new Promise(resolve => setTimeout(resolve, 50))
    answer?.()
    t.equal((await pending).text, 'late')
    const [code] = await once(child, 'exit')
    t.equal(code, 0)
  }
)

t.test('all faults are listed, and nothing starts', async t => {
  const child = run(t, { PORT: 'x', ORDERS_URL: 'y', JWT_ISSUER: 'http://id.example' })
  const [code] = await once(child, 'exit')
  t.equal(code, 1)
  const lines = child.output().trim().split('\n')
  t.equal(lines.length, 4)
  t.equal(lines[0], 'The configuration has 3 faults:')
  for (const name of ['PORT', 'ORDERS_URL', 'JWT_ISSUER'])
    t.ok(
      lines.some(line => line.startsWith(`${name} `)),
      name
    )
})

t.test('a port in use, of either listener, is reported in one line', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const port = String((taken.address() as { port: number }).port)
  const free = new URL(await closedPort()).port
  for (const env of [
    { PORT: port, ADMIN_PORT: free },
    { PORT: free, ADMIN_PORT: port }
  ]) {
    const child = run(t, { ...env, LOG_LEVEL: 'silent' })
    const [code] = await once(child, 'exit')
    t.equal(code, 1)
    t.equal(child.output().trim(), `127.0.0.1:${port} is in use by another process`)
  }
})

t.test('a missing config file is reported in one line', async t => {
  const missing = run(t, {}, ['--config', 'nowhere.ts'])
  t.equal((await once(missing, 'exit'))[0], 1)
  t.equal(missing.output().trim(), 'nowhere.ts cannot be read: there is no such file')

  const broken = run(t, {}, ['--config', 'README.md'])
  t.equal((await once(broken, 'exit'))[0], 1)
  t.match(broken.output(), /^README\.md cannot be loaded: /)
  t.equal(broken.output().trim().split('\n').length, 1)

  const empty = run(t, {}, ['--config', 'schemas/options/url.ts'])
  t.equal((await once(empty, 'exit'))[0], 1)
  t.equal(empty.output().trim(), 'schemas/options/url.ts has no default export')

  const unknown = run(t, {}, ['--confg', 'x'])
  t.equal((await once(unknown, 'exit'))[0], 1)
  t.match(unknown.output(), /Unknown option '--confg'/)
  t.equal(unknown.output().trim().split('\n').length, 1)
})
