import t from 'tap'
import forward from '../../plugins/forward.ts'
import { createRetryBudget } from '../../proxy/retry-budget.ts'
import { call, startGateway, startService } from '../harness.ts'
import { forwarding, until } from './service.ts'

/** The cost of retries in calls, connections and latency of other calls. */
const never = { failures: 1_000_000 }

t.test('an abandoned response holds no connection, even if endless or stuck', async t => {
  for (const way of ['endless', 'stuck']) {
    let calls = 0
    let closed = 0
    const service = await startService(t, (_request, response) => {
      if (++calls > 1) return response.end('done')
      response.on('close', () => closed++)
      response.writeHead(503).write('x')
      const timer = setInterval(() => way === 'endless' && response.write(Buffer.alloc(10_000)), 1)
      response.on('close', () => clearInterval(timer))
    })
    const { url } = await startGateway(t, {
      deadline: 60_000,
      upstreams: { orders: { url: service, connections: 1, retry: {} } },
      scopes: { orders: { prefix: '/orders', routes: forwarding } }
    })
    t.equal((await call(`${url}/orders`)).text, 'done', way)
    await until(() => closed === 1)
  }
})

t.test('an upstream that always responds 503 gets 20 % more calls, and does not affect others', async t => {
  let calls = 0
  const service = await startService(t, (_request, response) => {
    calls++
    response.writeHead(503).end(Buffer.alloc(200_000))
  })
  const other = await startService(t, (_request, response) => response.end('fine'))
  const { url, gateway } = await startGateway(t, {
    upstreams: {
      orders: {
        url: service,
        connections: 10,
        breaker: never,
        retry: { attempts: 3, budget: { floor: 0 } }
      },
      users: { url: other }
    },
    scopes: {
      orders: { prefix: '/orders', routes: forwarding },
      users: {
        prefix: '/users',
        routes: async app => {
          await app.register(forward)
          app.forward({ method: 'GET', url: '/', upstream: 'users', prefix: '/users' })
        }
      }
    }
  })
  const times: number[] = []
  let isOver = false
  const beside = (async () => {
    while (!isOver) {
      const started = performance.now()
      t.equal((await call(`${url}/users`)).text, 'fine')
      times.push(performance.now() - started)
    }
  })()
  const answers = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const own: number[] = []
      for (let i = 0; i < 15; i++) own.push((await call(`${url}/orders`)).text.length)
      return own
    })
  )
  isOver = true
  await beside
  t.ok(
    answers.flat().every(length => length === 200_000),
    'each client gets the last answer, whole'
  )
  const { retries, exhausted } = gateway.upstream('orders').state().calls
  t.equal(calls, 300 + retries)
  t.ok(retries > 0, `${retries} retries`)
  t.ok(calls <= 1.2 * 300, `${calls} calls for 300 requests`)
  t.ok(exhausted > 0)
  t.ok(Math.max(...times) < 3_000, 'other calls do not wait for connections')
  t.match(gateway.upstream('orders').state(), {
    calls: { running: 0, queued: 0 },
    endpoints: [{ inFlight: 0 }]
  })
  t.equal((await call(`${url}/orders`)).status, 503, 'connections are available')
})

t.test('the budget is a ratio of the calls of about a second, with a minimum', async t => {
  const take = (budget: ReturnType<typeof createRetryBudget>, now: number) => {
    let taken = 0
    while (budget.take(now)) taken++
    return taken
  }
  const shared = createRetryBudget({ ratio: 0.2, floor: 0 })
  t.equal(take(shared, 0), 0, 'no calls, no retries')
  for (let i = 0; i < 100; i++) shared.call(500)
  t.equal(take(shared, 900), 20)
  t.equal(take(shared, 1_000), 0, 'the previous second still counts')
  for (let i = 0; i < 100; i++) shared.call(1_500)
  t.equal(take(shared, 1_900), 20)
  t.equal(take(shared, 9_000), 0, 'old calls do not count')
  const floored = createRetryBudget({ ratio: 0.2, floor: 3 })
  t.equal(take(floored, 0), 3)
  t.equal(take(floored, 2_000), 3)
})
