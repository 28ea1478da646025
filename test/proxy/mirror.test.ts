import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import t from 'tap'
import { call, closedPort, startGateway, startService } from '../harness.ts'
import { forwarding, until } from './service.ts'

const breaker = { failures: 1_000_000 }

t.test('a mirrored request has the same body, and a header that marks it', async t => {
  const copies: { line: string; headers: IncomingHttpHeaders; body: string }[] = []
  const real: IncomingHttpHeaders[] = []
  const service = await startService(t, (request, response) => {
    real.push(request.headers)
    request.resume().on('end', () => response.end('real'))
  })
  const next = await startService(t, (request, response) => {
    let body = ''
    request.on('data', chunk => {
      body += chunk
    })
    request.on('end', () => {
      copies.push({ line: `${request.method} ${request.url}`, headers: request.headers, body })
      response.writeHead(500).end('copy')
    })
  })
  const { url, gateway } = await startGateway(t, {
    upstreams: { orders: { url: service, mirror: { to: 'next' } }, next: { url: next } },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  const headers = { 'x-tenant': 'a', 'sluice-mirror': 'made up' }
  t.equal((await call(`${url}/orders/1?a=b`, { method: 'POST', body: '{"qty":3}', headers })).text, 'real')
  t.equal((await call(`${url}/orders/2`)).text, 'real')
  await until(() => copies.length === 2)
  t.match(copies[0], { line: 'POST /orders/1?a=b', body: '{"qty":3}' })
  t.match(copies[0]?.headers, { 'x-tenant': 'a', 'sluice-mirror': '"orders"', 'content-length': '9' })
  t.match(copies[1], { line: 'GET /orders/2', body: '' })
  t.same(
    real.map(sent => sent['sluice-mirror']),
    [undefined, undefined],
    'what is no copy never says that it is'
  )
  await until(() => gateway.upstream('orders').state().mirror?.failed === 2)
  t.match(gateway.upstream('orders').state(), { mirror: { sent: 2, dropped: 0 }, breaker: { successes: 2 } })
})

t.test('a mirror that hangs, is down or streams forever does not affect clients', async t => {
  const service = await startService(t, (request, response) => request.pipe(response))
  let closed = 0
  const endless = await startService(t, (request, response) => {
    request.resume()
    const timer = setInterval(() => response.write(Buffer.alloc(10_000)), 5)
    response.on('close', () => {
      closed++
      clearInterval(timer)
    })
  })
  const mirrors = {
    hanging: await startService(t, request => void request.resume()),
    down: await closedPort(),
    endless
  }
  for (const [name, next] of Object.entries(mirrors)) {
    const { url, gateway } = await startGateway(t, {
      deadline: 20_000,
      upstreams: {
        orders: { url: service, mirror: { to: 'next', deadline: 400, concurrency: 1_000 } },
        next: { url: next, breaker, concurrency: { max: 2, queue: 2 } }
      },
      scopes: { orders: { prefix: '/orders', routes: forwarding } }
    })
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => call(`${url}/orders`, { method: 'POST', body: 'abc' }))
    )
    t.ok(
      answers.every(({ status, text }) => status === 200 && text === 'abc'),
      name
    )
    await until(() => gateway.upstream('next' as never).state().calls.running === 0)
    t.match(gateway.upstream('orders').state(), { mirror: { sent: 30 }, breaker: { successes: 30 } })
  }
  t.ok(closed > 0, 'endless responses are closed')
})

t.test('concurrent mirrored requests are limited', async t => {
  const waiting: ServerResponse[] = []
  const service = await startService(t, (_request, response) => response.end('real'))
  const next = await startService(t, (_request, response) => void waiting.push(response))
  const { url, gateway } = await startGateway(t, {
    upstreams: { orders: { url: service, mirror: { to: 'next', concurrency: 2 } }, next: { url: next } },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  for (let i = 0; i < 5; i++) t.equal((await call(`${url}/orders`)).text, 'real')
  await until(() => waiting.length === 2)
  t.match(gateway.upstream('orders').state().mirror, { sent: 2, dropped: 3 })
  for (const response of waiting.splice(0)) response.end()
  await until(() => gateway.upstream('next' as never).state().calls.running === 0)
  await call(`${url}/orders`)
  await until(() => waiting.length === 1)
  t.match(gateway.upstream('orders').state().mirror, { sent: 3, dropped: 3 })
})

t.test('requests with larger bodies are not mirrored', async t => {
  let copies = 0
  const service = await startService(t, (request, response) => request.pipe(response))
  const next = await startService(t, (_request, response) => {
    copies++
    response.end()
  })
  const { url, gateway } = await startGateway(t, {
    bodyLimit: 10_000_000,
    upstreams: { orders: { url: service, mirror: { to: 'next', maxBody: 1_000 } }, next: { url: next } },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  const body = 'x'.repeat(3_000_000)
  t.equal((await call(`${url}/orders`, { method: 'POST', body })).text, body)
  t.match(gateway.upstream('orders').state().mirror, { sent: 0, dropped: 1 })
  t.equal(copies, 0)
})

t.test('a ratio of the requests is mirrored', async t => {
  const service = await startService(t, (_request, response) => response.end('real'))
  const { url, gateway } = await startGateway(t, {
    upstreams: { orders: { url: service, mirror: { to: 'next', ratio: 0.3 } }, next: { url: service } },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  for (let i = 0; i < 200; i++) await call(`${url}/orders`)
  const { sent = 0 } = gateway.upstream('orders').state().mirror ?? {}
  t.ok(sent > 25 && sent < 100, `${sent} of 200`)
})
