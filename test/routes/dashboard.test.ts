import t from 'tap'
import { call } from '../harness.ts'
import { type Answers, sendJson, startShopBefore } from './shop.ts'

const users: Answers = ({ url }, response) =>
  sendJson(response, 200, { id: url.split('/').pop(), name: 'Ada', email: 'ada@example.com', hash: 'secret' })
const orders: Answers = (_seen, response) =>
  sendJson(response, 200, [
    { id: 'o-2', status: 'shipped', total: 0.2, items: [{}, {}], notes: 'secret' },
    { id: 'o-1', status: 'confirmed', total: 0.1, items: [{}] }
  ])
const products: Answers = (_seen, response) =>
  sendJson(
    response,
    200,
    Array.from({ length: 8 }, (_, i) => ({ id: `p-${i}`, name: `Product ${i}`, price: i + 0.5, score: 1 }))
  )
const broken: Answers = (_seen, response) => sendJson(response, 500, { error: 'secret' })

t.test('three services are called in parallel and composed', async t => {
  // Each service waits until the two others have been called.
  const waiting: (() => void)[] = []
  const together =
    (answer: Answers): Answers =>
    (seen, response) => {
      waiting.push(() => answer(seen, response))
      if (waiting.length === 3) for (const go of waiting) go()
    }
  const { url, seen, bearer } = await startShopBefore(t, {
    users: together(users),
    orders: together(orders),
    products: together(products)
  })
  const answer = await call(`${url}/api/v1/dashboard`, {
    headers: { ...(await bearer('ada')), 'x-user-id': 'mallory' }
  })
  t.equal(answer.status, 200)
  t.same(answer.json, {
    user: { id: 'ada', name: 'Ada', email: 'ada@example.com' },
    recentOrders: [
      { id: 'o-2', status: 'shipped', total: '0.20', itemCount: 2 },
      { id: 'o-1', status: 'confirmed', total: '0.10', itemCount: 1 }
    ],
    recommendations: [0, 1, 2, 3, 4].map(i => ({ id: `p-${i}`, name: `Product ${i}`, price: `${i}.50` })),
    stats: { totalOrders: 2, totalSpent: '0.30' }
  })
  t.notOk(answer.headers.has('sluice-missing'))
  t.equal(seen.users[0]?.url, '/users/ada')
  t.equal(seen.orders[0]?.url, '/users/ada/orders?limit=10')
  t.equal(seen.products[0]?.url, '/recommendations?userId=ada')
  for (const { headers } of [seen.users[0], seen.orders[0], seen.products[0]] as { headers: object }[])
    t.match(headers, { 'x-user-id': 'ada' })
})

t.test('a failed optional part is null, named, and the response must not be stored', async t => {
  for (const failing of [
    broken,
    (_seen, response) => response.destroy(),
    (_seen, response) => response.end('no json'),
    (_seen, response) => sendJson(response, 200, { not: 'a list' })
  ] as Answers[]) {
    const { url, bearer } = await startShopBefore(t, { users, orders: failing, products })
    const answer = await call(`${url}/api/v1/dashboard`, { headers: await bearer('ada') })
    t.equal(answer.status, 200)
    t.match(answer.json, { recentOrders: null, stats: null, missing: ['recentOrders'], user: { id: 'ada' } })
    t.equal(answer.json.recommendations.length, 5)
    t.equal(answer.headers.get('sluice-missing'), '"recentOrders"')
    t.equal(answer.headers.get('cache-control'), 'no-store')
    t.notMatch(answer.text, /secret/)
  }
})

t.test('both optional parts may fail', async t => {
  const { url, bearer } = await startShopBefore(t, { users, orders: broken, products: broken })
  const answer = await call(`${url}/api/v1/dashboard`, { headers: await bearer('ada') })
  t.equal(answer.status, 200)
  t.same(answer.json, {
    user: { id: 'ada', name: 'Ada', email: 'ada@example.com' },
    recentOrders: null,
    recommendations: null,
    stats: null,
    missing: ['recentOrders', 'recommendations']
  })
  t.equal(answer.headers.get('sluice-missing'), '"recentOrders", "recommendations"')
})

t.test(
  'if the required part fails, the response is its error, and the other calls are cancelled',
  async t => {
    let cancelled = 0
    const hanging: Answers = (_seen, response) => {
      response.on('close', () => cancelled++)
    }
    const cases: [Answers, number][] = [
      [(_seen, response) => sendJson(response, 404, {}), 404],
      [broken, 500],
      [(_seen, response) => response.destroy(), 502],
      [(_seen, response) => response.end('no json'), 502]
    ]
    for (const [failing, status] of cases) {
      cancelled = 0
      // The user part fails while both others are in progress.
      let others = 0
      let fail: (() => void) | undefined
      const asked: Answers = (seen, response) => {
        hanging(seen, response)
        if (++others === 2) fail?.()
      }
      const { url, bearer } = await startShopBefore(t, {
        users: (seen, response) => {
          fail = () => failing(seen, response)
          if (others === 2) fail()
        },
        orders: asked,
        products: asked
      })
      const answer = await call(`${url}/api/v1/dashboard`, { headers: await bearer('ada') })
      t.equal(answer.status, status)
      t.match(answer.headers.get('content-type'), 'application/problem+json')
      while (cancelled < 2) await new Promise(resolve => setTimeout(resolve, 5))
      t.equal(cancelled, 2)
    }
  }
)

t.test(
  'an open breaker of an optional part makes it missing at once; of the required one it is 503',
  async t => {
    const { url, bearer, seen } = await startShopBefore(t, { users: broken, orders, products })
    const headers = await bearer('ada')
    const statuses: number[] = []
    for (let i = 0; i < 6; i++) statuses.push((await call(`${url}/api/v1/dashboard`, { headers })).status)
    t.same(statuses, [500, 500, 500, 500, 500, 503])
    t.equal(seen.users.length, 5)

    const optional = await startShopBefore(t, { users, orders: broken, products })
    const bearing = await optional.bearer('ada')
    for (let i = 0; i < 7; i++)
      t.equal((await call(`${optional.url}/api/v1/dashboard`, { headers: bearing })).status, 200)
    t.equal(optional.seen.orders.length, 5)
  }
)

t.test('a disconnected client cancels all parts', async t => {
  let asked = 0
  let cancelled = 0
  const hanging: Answers = (_seen, response) => {
    asked++
    response.on('close', () => cancelled++)
  }
  const { url, bearer } = await startShopBefore(t, { users: hanging, orders: hanging, products: hanging })
  const controller = new AbortController()
  const leaving = call(`${url}/api/v1/dashboard`, { headers: await bearer('ada'), signal: controller.signal })
  leaving.catch(() => {})
  while (asked < 3) await new Promise(resolve => setTimeout(resolve, 5))
  controller.abort()
  await t.rejects(leaving)
  while (cancelled < 3) await new Promise(resolve => setTimeout(resolve, 5))
  t.equal(cancelled, 3)
})

t.test('money is added exactly', async t => {
  const { url, bearer } = await startShopBefore(t, {
    users,
    products,
    orders: (_seen, response) => {
      const totals = ['0.1', '0.2', '12345678901234567.01', '1.005']
      sendJson(
        response,
        200,
        `[${totals.map((total, i) => `{"id":${i},"status":"s","total":${total},"items":[]}`).join(',')}]`
      )
    }
  })
  const { json } = await call(`${url}/api/v1/dashboard`, { headers: await bearer('ada') })
  t.equal(json.stats.totalSpent, '12345678901234568.32')
  t.equal(json.recentOrders[2].total, '12345678901234567.01')
})
