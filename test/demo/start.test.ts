import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'

t.test('the demo starts, restarts a service, and stops without leftovers', async t => {
  const demo = await startDemo(t)
  const printed = await demo.printed(/^ADMIN=.*\n\n$/m)
  const token = printed.match(/^FREE=(.+)$/m)?.[1]
  const pids = [...printed.matchAll(/^ {2}(\w+) .*pid (\d+)$/gm)].map(
    ([, name, pid]) => [name, Number(pid)] as const
  )
  t.strictSame(
    pids.map(([name]) => name),
    ['gateway', 'identity', 'users', 'orders', 'products']
  )

  const dashboard = await fetch(`${demo.gateway}/api/v1/dashboard`, {
    headers: { authorization: `Bearer ${token}` }
  })
  t.equal(dashboard.status, 200)
  t.match(await dashboard.json(), { user: { id: 'ada' } })

  process.kill(Number(pids.find(([name]) => name === 'orders')?.[1]))
  await demo.printed(/^orders \(pid \d+\) has exited/m)
  demo.child.kill('SIGUSR2')
  await demo.printed(/^orders is running again/m)

  demo.child.kill('SIGTERM')
  t.strictSame(await demo.ended, [0, null])
  t.strictSame(readdirSync(demo.tmp), [])
})

t.test('SIGKILL of the demo leaves no process', async t => {
  const demo = await startDemo(t)
  await demo.printed(/^PREMIUM=/m)
  demo.child.kill('SIGKILL')
  // Resolves when all processes that share the demo's output have exited.
  t.strictSame(await demo.ended, [null, 'SIGKILL'])
})

t.test('a port in use is reported in one line, and nothing starts', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const demo = await startDemo(t, { ORDERS_PORT: `${port}` })
  t.strictSame(await demo.ended, [1, null])
  t.equal(await demo.printed(/\n/), `orders: port ${port} is in use; set ORDERS_PORT to use another one\n`)
  t.strictSame(readdirSync(demo.tmp), [])
})

async function startDemo(t: Test, env: Record<string, string> = {}) {
  const ports = await findPorts([
    'PORT',
    'ADMIN_PORT',
    'IDENTITY_PORT',
    'USERS_PORT',
    'ORDERS_PORT',
    'PRODUCTS_PORT'
  ])
  const tmp = t.testdir()
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../demo/start.ts')], {
    env: { ...process.env, ...ports, ...env, TMPDIR: tmp },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  t.teardown(() => child.kill('SIGKILL'))
  // 'close' instead of 'exit' waits for the output, which the demo's processes hold open.
  return {
    child,
    tmp,
    gateway: `http://127.0.0.1:${ports.PORT}`,
    ended: once(child, 'close'),
    printed: collect(child)
  }
}

/** Returns a function that resolves with the output when it matches. */
function collect({ stdout, stderr }: ChildProcess) {
  let printed = ''
  const waiting = new Set<() => void>()
  for (const stream of [stdout, stderr]) {
    stream?.setEncoding('utf8').on('data', chunk => {
      printed += chunk
      for (const check of waiting) check()
    })
  }
  return (pattern: RegExp) =>
    new Promise<string>(resolve => {
      const check = () => {
        if (!pattern.test(printed)) return
        waiting.delete(check)
        resolve(printed)
      }
      waiting.add(check)
      check()
    })
}

async function findPorts(variables: string[]): Promise<Record<string, string>> {
  const servers = variables.map(() => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map(server => once(server, 'listening')))
  const ports = servers.map(server => `${(server.address() as AddressInfo).port}`)
  await Promise.all(servers.map(server => once(server.close(), 'close')))
  return Object.fromEntries(variables.map((variable, index) => [variable, ports[index] as string]))
}
