import assert from 'node:assert/strict'
import test from 'node:test'
import { amount } from 'sluice/money'
import { call, startGateway, startService, startTokens } from 'sluice/testing'
import { mine } from '../routes/mine.ts'
import { orders } from '../routes/orders.ts'

test('forwards requests with a valid token, and rejects others', async t => {
  const service = await startService(t, (request, response) =>
    response.end(`${request.url} ${request.headers['x-user-id']}`)
  )
  const issuer = await startTokens(t)
  const { url } = await startGateway(t, {
    upstreams: { orders: { url: service } },
    issuers: { main: issuer.options },
    scopes: {
      orders: { prefix: '/api/orders', routes: orders, jwt: 'main' },
      mine: { prefix: '/api/mine', routes: mine, jwt: 'main' }
    }
  })
  const authorization = `Bearer ${issuer.token()}`
  assert.equal((await call(`${url}/api/orders/1`, { headers: { authorization } })).text, '/orders/1 ada')
  assert.equal((await call(`${url}/api/orders/1`)).status, 401)
  assert.deepEqual((await call(`${url}/api/mine/me`, { headers: { authorization } })).json, { id: 'ada' })
})

test('adds amounts exactly', () => {
  assert.equal(amount('0.1', '0.2'), '0.30')
})
