import assert from 'node:assert/strict'
import test from 'node:test'
import { call, startGateway } from 'sluice/testing'
import idempotencyKey from './idempotency-key.ts'

test('a POST needs an Idempotency-Key', async t => {
  const { url } = await startGateway(t, {
    scopes: {
      payments: {
        prefix: '/payments',
        routes: async app => {
          await app.register(idempotencyKey, { methods: ['POST'] })
          app.get('/', async () => [])
          app.post('/', async ({ headers }) => ({ key: headers['idempotency-key'] }))
        }
      }
    }
  })

  const rejected = await call(`${url}/payments`, { method: 'POST' })
  assert.equal(rejected.status, 400)
  assert.equal(rejected.json.type, 'urn:sluice:idempotency-key-missing')

  const headers = { 'idempotency-key': '8e03978e' }
  assert.deepEqual((await call(`${url}/payments`, { method: 'POST', headers })).json, { key: '8e03978e' })
  assert.equal((await call(`${url}/payments`)).status, 200)
})
