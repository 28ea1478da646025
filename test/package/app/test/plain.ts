import assert from 'node:assert/strict'
import test from 'node:test'
import Fastify from 'fastify'
import { forward, jwt, rateLimit, upstreams } from 'sluice'
import { call, startService, startTokens } from 'sluice/testing'

test('the patterns work in a plain Fastify app', async t => {
  const service = await startService(t, (request, response) => response.end(request.url))
  const { options, token } = await startTokens(t)
  const app = Fastify()
  t.after(() => app.close())
  await app.register(upstreams, { upstreams: { orders: { url: service } } })
  await app.register(
    async scope => {
      await scope.register(jwt, options)
      await scope.register(rateLimit, { by: 'consumer', limits: [{ limit: 2, window: 60_000 }] })
      await scope.register(forward)
      scope.forward({ method: 'GET', url: '/*', upstream: 'orders', prefix: '/orders' })
    },
    { prefix: '/api/orders' }
  )
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const headers = { authorization: `Bearer ${token()}` }
  assert.equal((await call(`${url}/api/orders/1`)).status, 401)
  assert.equal((await call(`${url}/api/orders/1?x=2`, { headers })).text, '/orders/1?x=2')
  assert.equal((await call(`${url}/api/orders/1`, { headers })).status, 200)
  assert.equal((await call(`${url}/api/orders/1`, { headers })).status, 429)
})
