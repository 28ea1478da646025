import t from 'tap'
import { nextLevel, type OverloadMonitor, overloadMonitor } from '../../http/overload-monitor.ts'
import { call, startGateway } from '../harness.ts'

t.test('an overloaded process rejects low scopes first, high ones last', async t => {
  let handled = 0
  const routes = async (app: import('fastify').FastifyInstance) => {
    app.get('/', async () => {
      handled++
      return 'done'
    })
  }
  const { url, gateway } = await startGateway(t, {
    overload: { maxEventLoopDelay: 100 },
    scopes: {
      low: { prefix: '/low', routes, priority: 'low' },
      normal: { prefix: '/normal', routes },
      high: { prefix: '/high', routes, priority: 'high' }
    }
  })
  const overload = overloadMonitor(gateway) as OverloadMonitor
  const statuses = () =>
    Promise.all(['low', 'normal', 'high'].map(async scope => (await call(`${url}/${scope}`)).status))
  // A busy machine may be late by itself.
  while ((await statuses()).some(status => status !== 200));

  // Late by as much as it takes, as long as it takes; the machine may add to it.
  const busy = (ms: number) => {
    const timer = setInterval(() => {
      const until = performance.now() + ms
      while (performance.now() < until);
    }, 1)
    return () => clearInterval(timer)
  }
  const rest = busy(140)
  t.teardown(rest)
  while (overload.level === 0) await new Promise(resolve => setTimeout(resolve, 5))
  const before = handled
  const refused = await call(`${url}/low`)
  t.match(refused.json, { status: 503, type: 'urn:sluice:overloaded', retryAfter: 1 })
  t.equal(refused.headers.get('retry-after'), '1')
  t.equal(handled, before)
  rest()
  const harder = busy(700)
  t.teardown(harder)
  while (overload.level < 3) await new Promise(resolve => setTimeout(resolve, 5))
  t.same(await statuses(), [503, 503, 503])
  harder()
  while (overload.level > 0) await new Promise(resolve => setTimeout(resolve, 5))
  // A busy machine may be late by itself.
  while ((await statuses()).some(status => status !== 200));
  const text = await gateway.metrics?.metrics()
  t.match(text, new RegExp(`sluice_shed_total\\{priority="low"\\} ${overload.shed.low}\\n`))
  t.ok(overload.shed.low >= 2)
  t.match(text, 'sluice_overload_level 0')
})

t.test('levels rise at once and fall one by one, each at half of where it rose', async t => {
  const cases: [level: number, delay: number, next: number][] = [
    [0, 99, 0],
    [0, 100, 1],
    [0, 200, 2],
    [0, 5_000, 3],
    [1, 60, 1],
    [1, 49, 0],
    [2, 120, 2],
    [2, 99, 1],
    [3, 0, 2],
    [1, 450, 3],
    [3, 900, 3]
  ]
  for (const [level, delay, next] of cases)
    t.equal(nextLevel(level, delay, 100), next, `${level} at ${delay}`)
})

t.test('without overload in the config nothing is measured or rejected', async t => {
  const { gateway } = await startGateway(t, {})
  t.equal(overloadMonitor(gateway), undefined)
})
