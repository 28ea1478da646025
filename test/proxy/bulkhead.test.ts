import type { ServerResponse } from 'node:http'
import t from 'tap'
import forward from '../../plugins/forward.ts'
import { createBulkhead } from '../../proxy/bulkhead.ts'
import { call, startGateway, startService } from '../harness.ts'
import { forwarding, until } from './service.ts'

t.test('calls beyond the maximum wait in order, and beyond the queue are rejected at once', async t => {
  const seen: string[] = []
  const waiting: ServerResponse[] = []
  const service = await startService(t, (request, response) => {
    seen.push((request.url as string).split('/').pop() as string)
    waiting.push(response)
  })
  const { url, gateway } = await startGateway(t, {
    upstreams: {
      orders: { url: service, concurrency: { max: 2, queue: 3 }, breaker: { failures: 1 } }
    },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  const state = () => gateway.upstream('orders').state()
  const answers = []
  for (let i = 0; i < 5; i++) {
    answers.push(call(`${url}/orders/${i}`))
    await until(() => state().calls.running + state().calls.queued === i + 1)
  }
  const refused = await call(`${url}/orders/5`)
  t.match(refused.json, { status: 503, type: 'urn:sluice:upstream-overloaded', retryAfter: 1 })
  t.equal(refused.headers.get('retry-after'), '1')
  t.match(state(), { calls: { running: 2, queued: 3, rejected: 1 } })
  for (let i = 0; i < 5; i++) {
    await until(() => waiting.length > 0)
    t.ok(state().calls.running <= 2)
    waiting.shift()?.end('done')
  }
  t.same(
    (await Promise.all(answers)).map(({ status }) => status),
    [200, 200, 200, 200, 200]
  )
  t.same(seen.slice(2), ['2', '3', '4'], 'in order of arrival')
  t.match(state(), { calls: { running: 0, queued: 0 }, breaker: { state: 'closed', failures: 0 } })
})

t.test('a call that leaves the queue is not sent, and is no failure', async t => {
  const seen: string[] = []
  const service = await startService(t, request => {
    seen.push(request.url as string)
  })
  const { url, gateway } = await startGateway(t, {
    upstreams: {
      orders: { url: service, concurrency: { max: 1, queue: 10 }, breaker: { failures: 1 } }
    },
    scopes: {
      orders: { prefix: '/orders', routes: forwarding },
      late: {
        prefix: '/late',
        routes: async app => {
          await app.register(forward)
          app.forward({
            method: 'GET',
            url: '/',
            upstream: 'orders',
            prefix: '/late',
            config: { deadline: 300 }
          })
        }
      }
    }
  })
  const calls = () => gateway.upstream('orders').state().calls
  const staying = new AbortController()
  const first = call(`${url}/orders/first`, { signal: staying.signal })
  await until(() => calls().running === 1)
  const late = call(`${url}/late`)
  await until(() => calls().queued === 1)
  const leaving = new AbortController()
  const left = call(`${url}/orders/left`, { signal: leaving.signal })
  await until(() => calls().queued === 2)
  leaving.abort()
  await t.rejects(left)
  await until(() => calls().queued < 2)
  t.equal((await late).status, 504)
  t.match(gateway.upstream('orders').state(), {
    calls: { running: 1, queued: 0 },
    breaker: { state: 'closed', failures: 0 }
  })
  staying.abort()
  await t.rejects(first)
  t.same(seen, ['/orders/first'])
})

t.test('queued calls are rejected when the breaker opens', async t => {
  let calls = 0
  const waiting: ServerResponse[] = []
  const service = await startService(t, (_request, response) => {
    calls++
    waiting.push(response)
  })
  const { url, gateway } = await startGateway(t, {
    upstreams: {
      orders: { url: service, concurrency: { max: 1, queue: 2_000 }, breaker: { failures: 1 } }
    },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  const answers = Array.from({ length: 200 }, () => call(`${url}/orders`))
  await until(() => gateway.upstream('orders').state().calls.queued === 199 && waiting.length === 1)
  waiting[0]?.writeHead(500).end()
  const statuses = (await Promise.all(answers)).map(({ status }) => status)
  t.equal(statuses.filter(status => status === 500).length, 1)
  t.equal(statuses.filter(status => status === 503).length, 199)
  t.equal(calls, 1)
  t.match(gateway.upstream('orders').state().calls, { running: 0, queued: 0 })
})

t.test('a queue of calls that end at once does not overflow the stack', async t => {
  const bulkhead = createBulkhead(() => 1, 100_000)
  let started = 0
  const first = { start() {} }
  bulkhead.enter(first)
  for (let i = 0; i < 100_000; i++) {
    bulkhead.enter({
      start() {
        started++
        bulkhead.done()
      }
    })
  }
  t.ok(bulkhead.tryReject())
  bulkhead.done()
  t.equal(started, 100_000)
  t.match(bulkhead.counts(), { running: 0, queued: 0, rejected: 1 })
})
