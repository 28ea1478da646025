import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'

t.test('the demo comes up whole, starts a service again, and ends leaving nothing', async t => {
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
  await demo.printed(/^orders \(pid \d+\) has ended/m)
  demo.child.kill('SIGUSR2')
  await demo.printed(/^orders is up again/m)

  demo.child.kill('SIGTERM')
  t.strictSame(await demo.ended, [0, null])
  t.strictSame(readdirSync(demo.tmp), [])
})

t.test('nothing outlives a demo that is killed hard', async t => {
  const demo = await startDemo(t)
  await demo.printed(/^PREMIUM=/m)
  demo.child.kill('SIGKILL')
  // Comes only once every process that wrote to the demo's output has gone.
  t.strictSame(await demo.ended, [null, 'SIGKILL'])
})

t.test('a port that is taken is told in one line, and nothing is started', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const demo = await startDemo(t, { ORDERS_PORT: `${port}` })
  t.strictSame(await demo.ended, [1, null])
  t.equal(await demo.printed(/\n/), `orders: port ${port} is taken; ORDERS_PORT sets another\n`)
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
  // 'close' and not 'exit': it waits for the output, which the programs of the demo hold open too.
  return {
    child,
    tmp,
    gateway: `http://127.0.0.1:${ports.PORT}`,
    ended: once(child, 'close'),
    printed: collect(child)
  }
}

/** A function that resolves with all that was printed as soon as that matches. */
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
