import assert from 'node:assert/strict'
import { text } from 'node:stream/consumers'
import test from 'node:test'
import { call } from 'sluice/testing'
import { json, start } from './start.ts'

const internal = { orderId: 'o-1', sku: 'p-100', qty: 3, total: 0.3 }

test('orders need a token', async t => {
  const { url } = await start(t, {})
  const { status, json } = await call(`${url}/api/v2/orders/o-1`)
  assert.equal(status, 401)
  assert.equal(json.type, 'urn:sluice:token-missing')
})

test('an order is read in both versions', async t => {
  const paths: unknown[] = []
  const { url, as } = await start(t, {
    orders(request, response) {
      paths.push(request.url)
      json(internal)(request, response)
    }
  })
  const headers = as('ada')
  const second = await call(`${url}/api/v2/orders/o-1`, { headers })
  assert.deepEqual(second.json, { id: 'o-1', product: 'p-100', quantity: 3, total: '0.30' })
  const first = await call(`${url}/api/v1/orders/o-1`, { headers })
  assert.deepEqual(first.json, { id: 'o-1', item: 'p-100', count: 3, total: '0.30' })
  assert.ok(first.headers.get('deprecation'))
  assert.deepEqual(paths, ['/users/ada/orders/o-1', '/users/ada/orders/o-1'])
})

test('an order is validated, and placed for the user of the token', async t => {
  const bodies: unknown[] = []
  const { url, as } = await start(t, {
    async orders(request, response) {
      bodies.push(JSON.parse(await text(request)))
      json(internal)(request, response)
    }
  })
  const place = (version: string, body: object, key: object = { 'idempotency-key': '1' }) =>
    call(`${url}/api/${version}/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...as('ada'), ...key },
      body: JSON.stringify(body)
    })

  assert.equal((await place('v2', { product: 'p-100', quantity: 3 })).status, 200)
  assert.equal((await place('v1', { item: 'p-100', count: 3 })).status, 200)
  assert.deepEqual(bodies, Array(2).fill({ userId: 'ada', sku: 'p-100', qty: 3 }))

  const invalid = await place('v1', { item: 'p-100', count: 0 })
  assert.equal(invalid.status, 400)
  assert.equal(invalid.json.errors[0].path, '/body/count')
  assert.equal((await place('v2', { product: 'p-100', quantity: 3 }, {})).status, 400)
  assert.equal(bodies.length, 2)
})
