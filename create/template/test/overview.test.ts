import assert from 'node:assert/strict'
import test from 'node:test'
import { call } from 'sluice/testing'
import { json, start } from './start.ts'

const orders = json([{ orderId: 'o-1', sku: 'p-100', qty: 1, total: 0.1 }])

test('the overview has orders and products', async t => {
  const { url, as } = await start(t, { orders, products: json([{ id: 'p-100', name: 'Sticker', stock: 5 }]) })
  assert.deepEqual((await call(`${url}/api/overview`, { headers: as('ada') })).json, {
    orders: [{ id: 'o-1', product: 'p-100', quantity: 1, total: '0.10' }],
    products: [{ id: 'p-100', name: 'Sticker' }]
  })
})

test('the overview works without the product service, and not without orders', async t => {
  const withoutProducts = await start(t, { orders })
  const { status, json } = await call(`${withoutProducts.url}/api/overview`, {
    headers: withoutProducts.as('ada')
  })
  assert.equal(status, 200)
  assert.deepEqual([json.products, json.missing], [null, ['products']])

  const withoutOrders = await start(t, {})
  const failed = await call(`${withoutOrders.url}/api/overview`, { headers: withoutOrders.as('ada') })
  assert.equal(failed.status, 500)
})
