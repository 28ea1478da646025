import type { FastifyInstance } from 'fastify'
import t from 'tap'
import Type from 'typebox'
import compose from '../../plugins/compose.ts'
import forward from '../../plugins/forward.ts'
import transform from '../../plugins/transform.ts'
import { call, startGateway, startService } from '../harness.ts'
import { forwarding, until } from './service.ts'

const breaker = { failures: 1, resetTimeout: 100, halfOpenRequests: 1 }

t.test('while the breaker is open the fallback is the response, with its header', async t => {
  let calls = 0
  let isUp = false
  const service = await startService(t, (_request, response) => {
    calls++
    response.writeHead(isUp ? 200 : 500).end('own')
  })
  const { url, gateway } = await startGateway(t, {
    upstreams: {
      orders: {
        url: service,
        breaker: { ...breaker, resetTimeout: 2_000 },
        fallback: { status: 203, body: { orders: [], note: 'é' }, headers: { 'x-stale': 'yes' } }
      }
    },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  t.equal((await call(`${url}/orders`)).status, 500, 'failures pass while it is closed')
  const answer = await call(`${url}/orders`)
  t.equal(answer.status, 203)
  t.same(answer.json, { orders: [], note: 'é' })
  t.equal(answer.headers.get('sluice-fallback'), '"orders"')
  t.equal(answer.headers.get('cache-control'), 'no-store')
  t.equal(answer.headers.get('x-stale'), 'yes')
  const head = await fetch(`${url}/orders`, { method: 'HEAD' })
  t.equal(head.status, 203)
  t.equal(head.headers.get('content-length'), answer.headers.get('content-length'))
  t.equal(calls, 1)
  isUp = true
  await until(() => gateway.upstream('orders').state().breaker.state === 'half-open')
  const own = await call(`${url}/orders`)
  t.equal(own.text, 'own')
  t.equal(own.headers.get('sluice-fallback'), null)
})

t.test('a composition uses a fallback as the part, with its header, and is not stored', async t => {
  let isUp = false
  const service = await startService(t, (_request, response) => {
    response.writeHead(isUp ? 200 : 500, { 'content-type': 'application/json' }).end('{"count":7}')
  })
  const Count = Type.Object({ count: Type.Integer() })
  const { url, gateway } = await startGateway(t, {
    upstreams: { orders: { url: service, breaker, fallback: { body: { count: 0 } } } },
    scopes: {
      dashboard: {
        prefix: '/dashboard',
        routes: async app => {
          await app.register(compose)
          app.compose({
            url: '/',
            response: Count,
            parts: {
              orders: {
                upstream: 'orders',
                required: true,
                path: () => '/',
                upstreamResponse: Count,
                cache: { ttl: 60_000, shared: true }
              }
            },
            toClient: ({ orders }) => orders
          })
        }
      }
    }
  })
  await call(`${url}/dashboard`)
  const stale = await call(`${url}/dashboard`)
  t.same(stale.json, { count: 0 })
  t.equal(stale.headers.get('sluice-fallback'), '"orders"')
  isUp = true
  await until(() => gateway.upstream('orders').state().breaker.state === 'half-open')
  t.same((await call(`${url}/dashboard`)).json, { count: 7 })
})

t.test('slow responses open the breaker, even if successful', async t => {
  const service = await startService(t, (request, response) => {
    if (request.url === '/orders/fast') return response.end()
    setTimeout(() => response.end('late'), 60)
  })
  const { url, gateway } = await startGateway(t, {
    upstreams: {
      orders: { url: service, breaker: { slow: { threshold: 50, ratio: 0.5, minimumCalls: 4 } } }
    },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  for (let i = 0; i < 3; i++) t.equal((await call(`${url}/orders/slow`)).text, 'late')
  t.match(gateway.upstream('orders').state().breaker, { state: 'closed', slow: 3 })
  t.equal((await call(`${url}/orders/slow`)).text, 'late')
  t.match(gateway.upstream('orders').state().breaker, { state: 'open', slow: 4, failures: 0, opened: 1 })
  t.equal((await call(`${url}/orders/fast`)).status, 503)
  const text = await gateway.metrics?.metrics()
  t.match(text, 'sluice_breaker_transitions_total{upstream="orders",to="open"} 1')
  t.match(text, 'sluice_upstream_slow_total{upstream="orders"} 4')
})

t.test('a fallback is never stored, even if config and edits set Cache-Control', async t => {
  const service = await startService(t, (_request, response) => void response.writeHead(500).end())
  const Count = Type.Object({ count: Type.Integer() })
  const fallback = { body: { count: 0 }, headers: { 'cache-control': 'max-age=60' } }
  const routes = async (app: FastifyInstance) => {
    await app.register(forward)
    await app.register(transform)
    const edit = { response: { headers: { set: { 'Cache-Control': 'max-age=60' } } } }
    app.forward({ method: 'GET', url: '/plain', upstream: 'orders', prefix: '' })
    app.forward({ method: 'GET', url: '/edited', upstream: 'orders', prefix: '', edit })
    app.transform({
      method: 'GET',
      url: '/transformed',
      upstream: 'orders',
      upstreamResponse: Count,
      response: Count,
      toUpstream: () => ({ method: 'GET', path: '/' }),
      toClient: orders => orders
    })
  }
  const { url } = await startGateway(t, {
    upstreams: { orders: { url: service, breaker: { failures: 1, resetTimeout: 60_000 }, fallback } },
    scopes: { x: { prefix: '/x', routes } }
  })
  t.equal((await call(`${url}/x/plain`)).status, 500)
  for (const path of ['plain', 'edited', 'transformed']) {
    const answer = await call(`${url}/x/${path}`)
    t.same(answer.json, { count: 0 }, path)
    t.equal(answer.headers.get('cache-control'), 'no-store')
    t.equal(answer.headers.get('sluice-fallback'), '"orders"')
  }
})
