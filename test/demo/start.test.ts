import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import t from 'tap'
import { startDemo } from './start-demo.ts'

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
