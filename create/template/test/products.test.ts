import assert from 'node:assert/strict'
import test from 'node:test'
import { call } from 'sluice/testing'
import { json, start } from './start.ts'

test('products are public and limited by address', async t => {
  const { url } = await start(t, { products: json([{ id: 'p-100' }]) })
  const first = await call(`${url}/api/products`)
  assert.deepEqual(first.json, [{ id: 'p-100' }])
  assert.match(first.headers.get('ratelimit') ?? '', /r=99/)

  for (let i = 1; i < 100; i++) assert.equal((await call(`${url}/api/products`)).status, 200)
  assert.equal((await call(`${url}/api/products`)).status, 429)
})

test('the tier of a token sets its limit', async t => {
  const { url, as } = await start(t, { orders: json([]), products: json([]) })
  const limitOf = async (claims: object) =>
    (await call(`${url}/api/overview`, { headers: as('ada', claims) })).headers.get('ratelimit-policy')
  assert.match((await limitOf({})) ?? '', /q=100;/)
  assert.match((await limitOf({ tier: 'premium' })) ?? '', /q=10000;/)
})
