import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { buildOrders } from '../../demo/orders.ts'
import { buildProducts } from '../../demo/products.ts'
import { buildUsers } from '../../demo/users.ts'

const noon = Date.UTC(2026, 10, 24, 12)
const order = {
  userId: 'ada',
  items: [
    { productId: 'p-100', quantity: 3, price: 0.1 },
    { productId: 'p-102', quantity: 1, price: 29.9 }
  ],
  shippingAddress: {
    street: '12 St James Square',
    city: 'London',
    state: 'London',
    zip: 'SW1Y 4JH',
    country: 'GB'
  },
  metadata: { source: 'web', correlationId: 'c-1' }
}

t.test('users are found by id; an unknown id gets 404', async t => {
  const call = await listen(t, buildUsers())
  const { status, body } = await call('/users/ada')
  t.equal(status, 200)
  t.match(body, { id: 'ada', name: 'Ada Lovelace', email: 'ada@example.com' })
  t.strictSame(Object.keys(body), ['id', 'name', 'email', 'createdAt'])
  t.strictSame(await call('/users/nobody'), { status: 404, body: { error: 'no such user' } })
})

t.test('a placed order is returned, read and listed', async t => {
  const call = await listen(t, buildOrders({ clock: () => noon }))
  const placed = await place(call, order)
  t.equal(placed.status, 201)
  t.strictSame(placed.body, {
    id: '1',
    status: 'confirmed',
    items: [
      { productId: 'p-100', productName: 'Sticker', quantity: 3, price: 0.1 },
      { productId: 'p-102', productName: 'Fountain pen', quantity: 1, price: 29.9 }
    ],
    total: 30.2,
    shippingAddress: order.shippingAddress,
    estimatedDelivery: '2026-11-27',
    createdAt: noon,
    internalNotes: 'from web, correlation c-1',
    warehouse: 'wh-7'
  })
  t.strictSame(await call('/orders/1'), { status: 200, body: placed.body })
  t.strictSame(await call('/users/ada/orders'), { status: 200, body: [placed.body] })
  t.strictSame(await call('/users/grace/orders'), { status: 200, body: [] })
})

t.test('an order without a source is accepted', async t => {
  const call = await listen(t, buildOrders())
  const placed = await place(call, { ...order, metadata: { ...order.metadata, source: null } })
  t.equal(placed.status, 201)
})

t.test('orders are listed newest first, ten by default', async t => {
  const call = await listen(t, buildOrders())
  for (let n = 0; n < 12; n++) await place(call, order)
  const ids = async (path: string) => (await call(path)).body.map(({ id }: { id: string }) => id)
  t.strictSame(await ids('/users/ada/orders?limit=2'), ['12', '11'])
  t.equal((await ids('/users/ada/orders')).length, 10)
})

t.test('money is exact: 3 times 0.1 is 0.3', async t => {
  const call = await listen(t, buildOrders())
  const total = async (items: [quantity: number, price: number][]) => {
    const body = items.map(([quantity, price]) => ({ productId: 'p-100', quantity, price }))
    return (await place(call, { ...order, items: body })).body.total
  }
  t.equal(await total([[3, 0.1]]), 0.3)
  t.equal(
    await total([
      [1, 0.1],
      [1, 0.2]
    ]),
    0.3
  )
  t.equal(await total([[3, 1.15]]), 3.45)
  t.equal(await total([[100, 0.07]]), 7)
  t.equal(await total([[10_000, 999_999.99]]), 9_999_999_900)
})

t.test('an order is accepted only from the user in X-User-Id', async t => {
  const call = await listen(t, buildOrders())
  t.equal((await place(call, order, { 'x-user-id': 'grace' })).status, 403)
  t.equal((await place(call, order, {})).status, 403)
  t.strictSame((await call('/users/ada/orders')).body, [])
})

t.test("another user's order gets 404, like a missing one", async t => {
  const call = await listen(t, buildOrders())
  await place(call, order)
  const missing = { status: 404, body: { error: 'no such order' } }
  t.equal((await call('/orders/1', { headers: { 'x-user-id': 'ada' } })).status, 200)
  t.strictSame(await call('/orders/1', { headers: { 'x-user-id': 'grace' } }), missing)
  t.strictSame(await call('/orders/2', { headers: { 'x-user-id': 'ada' } }), missing)
  t.strictSame(await call('/orders/x'), missing)
})

t.test('invalid orders are rejected and not stored', async t => {
  const call = await listen(t, buildOrders())
  const item = { productId: 'p-100', quantity: 3, price: 0.1 }
  const invalid: [what: string, status: number, body: object][] = [
    ['no items', 400, { ...order, items: [] }],
    ['items missing', 400, { ...order, items: undefined }],
    ['an unknown member', 400, { ...order, discount: 1 }],
    ['quantity zero', 400, { ...order, items: [{ ...item, quantity: 0 }] }],
    ['a fractional quantity', 400, { ...order, items: [{ ...item, quantity: 1.5 }] }],
    ['a quantity in a string', 400, { ...order, items: [{ ...item, quantity: '3' }] }],
    ['a price in a string', 400, { ...order, items: [{ ...item, price: '0.10' }] }],
    ['a negative price', 400, { ...order, items: [{ ...item, price: -1 }] }],
    ['a price in fractions of a cent', 422, { ...order, items: [{ ...item, price: 0.105 }] }],
    ['an unknown product', 422, { ...order, items: [{ ...item, productId: 'p-999' }] }],
    ['an incomplete address', 400, { ...order, shippingAddress: { street: 'x' } }]
  ]
  for (const [what, status, body] of invalid) {
    const response = await place(call, body)
    t.equal(response.status, status, what)
    t.type(response.body.error, 'string', what)
  }
  t.equal(
    (await call('/orders', { method: 'POST', body: 'a,b', headers: { 'content-type': 'text/csv' } })).status,
    415
  )
  t.equal((await call('/orders', { method: 'POST', body: '{', headers: json })).status, 400)
  t.equal((await call('/users/ada/orders?limit=0')).status, 400)
  t.equal((await call('/users/ada/orders?limit=ten')).status, 400)
  t.strictSame((await call('/users/ada/orders')).body, [])
})

t.test('orders survive a restart in the SQLite file', async t => {
  const database = join(t.testdir(), 'orders.sqlite')
  const first = buildOrders({ database })
  const placed = await place(await listen(t, first), order)
  await first.close()
  const call = await listen(t, buildOrders({ database }))
  t.strictSame((await call('/orders/1')).body, placed.body)
  t.equal((await place(call, order)).body.id, '2')
})

t.test('products are listed, found by id, and recommended', async t => {
  const call = await listen(t, buildProducts())
  const { body: products } = await call('/products')
  t.equal(products.length, 8)
  t.match(products[0], { id: 'p-100', name: 'Sticker', price: 0.1 })
  t.strictSame((await call('/products/p-100')).body, products[0])
  t.equal((await call('/products/p-999')).status, 404)

  const { body: recommended } = await call('/recommendations?userId=ada')
  t.equal(recommended.length, 6)
  for (const one of recommended) t.strictSame(Object.keys(one), ['id', 'name', 'price', 'score'])
  t.strictSame((await call('/recommendations?userId=ada')).body, recommended, 'stable for one user')
  t.equal((await call('/recommendations')).status, 400)
})

type Call = Awaited<ReturnType<typeof listen>>
const json = { 'content-type': 'application/json' }

async function listen(t: Test, app: FastifyInstance) {
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => app.close())
  return async (path: string, init?: RequestInit) => {
    const response = await fetch(`${url}${path}`, init)
    return { status: response.status, body: JSON.parse(await response.text()) }
  }
}

function place(call: Call, body: object, headers: Record<string, string> = { 'x-user-id': 'ada' }) {
  return call('/orders', { method: 'POST', headers: { ...json, ...headers }, body: JSON.stringify(body) })
}
