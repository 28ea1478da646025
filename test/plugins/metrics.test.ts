import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { buildAdmin } from '../../admin/admin.ts'
import { products } from '../../routes/products.ts'
import { startTokens } from '../../testing.ts'
import { call, closedPort, startGateway, startService } from '../harness.ts'
import { tls } from '../http2.ts'

t.test('routes and breakers are counted, and names from clients do not become labels', async t => {
  const service = await startService(t, (request, response) => {
    response.writeHead(request.url === '/products/none' ? 404 : 200).end()
  })
  const { url, gateway } = await startGateway(t, {
    upstreams: { products: { url: service } },
    scopes: { products: { prefix: '/products', routes: products } }
  })
  const admin = await buildAdmin(gateway, () => false)
  t.teardown(() => admin.close())
  for (const path of ['/products/1', '/products/2', '/products/none', '/made-up-1', '/made-up-2'])
    await call(url + path)
  await call(`${url}/made-up-3`, { method: 'PURGE' })

  const { body, headers } = await admin.inject('/metrics')
  t.match(headers['content-type'], 'text/plain')
  const lines = body.split('\n')
  const count = (labels: string) =>
    lines
      .find(line => line.startsWith(`sluice_exchange_duration_seconds_count{${labels}}`))
      ?.split(' ')
      .pop()
  t.equal(count('route="/products/:id",scope="products",version="",method="GET",status="2xx"'), '2')
  t.equal(count('route="/products/:id",scope="products",version="",method="GET",status="4xx"'), '1')
  t.equal(count('route="none",scope="",version="",method="other",status="4xx"'), '3')
  t.notMatch(body, /made-up|PURGE/)
  t.ok(lines.includes('sluice_breaker_state{upstream="products"} 0'))
  t.ok(lines.includes('sluice_breaker_rejected_total{upstream="products"} 0'))
  t.match(body, 'nodejs_eventloop_lag_seconds')
})

t.test('attempts have durations by outcome', async t => {
  let ask = 0
  const service = await startService(t, (request, response) => {
    // The first attempt is retried.
    if (++ask === 1) return void request.socket.destroy()
    setTimeout(() => response.writeHead(request.url === '/products/none' ? 404 : 200).end(), 30)
  })
  const start = (metrics: boolean) =>
    startGateway(t, {
      metrics,
      upstreams: { products: { url: service }, idle: { url: service } },
      scopes: { products: { prefix: '/products', routes: products } }
    })
  const { url, gateway } = await start(true)
  for (const path of ['/products/1', '/products/2', '/products/none']) await call(url + path)
  const text = (await gateway.metrics?.metrics()) as string
  const value = (what: string, labels: string) =>
    Number(new RegExp(`^sluice_upstream_duration_seconds_${what}\\{${labels}\\} (.*)$`, 'm').exec(text)?.[1])
  const of = (outcome: string) => `upstream="products",outcome="${outcome}"`
  t.match(text, '# TYPE sluice_upstream_duration_seconds histogram')
  t.equal(value('count', of('success')), 2)
  t.equal(value('count', of('answered')), 1)
  t.equal(value('count', of('failure')), 1)
  t.equal(value('bucket', `le="0.01",${of('success')}`), 0)
  t.equal(value('bucket', `le="\\+Inf",${of('success')}`), 2)
  t.ok(value('sum', of('success')) >= 0.058, 'seconds')
  t.equal(value('count', 'upstream="idle",outcome="success"'), 0)
  const without = await start(false)
  t.equal((await call(`${without.url}/products/1`)).status, 200)
})

t.test('a rejected or aborted exchange is counted under its route', async t => {
  const service = await startService(t, (request, response) => {
    response.writeHead(200).write('beginning')
    request.on('close', () => {})
    setImmediate(() => response.destroy())
  })
  const limits = [{ limit: 1, window: 60_000 }]
  const { url, gateway } = await startGateway(t, {
    upstreams: { products: { url: service } },
    tiers: { once: { limits } },
    scopes: { products: { prefix: '/products', routes: products, rateLimit: { address: 'once' } } }
  })
  await t.rejects(call(`${url}/products`))
  t.equal((await call(`${url}/products`)).status, 429)
  const text = await gateway.metrics?.metrics()
  t.match(
    text,
    'sluice_exchange_duration_seconds_count{route="/products",scope="products",version="",method="GET",status="aborted"} 1'
  )
  t.match(
    text,
    'sluice_exchange_duration_seconds_count{route="/products",scope="products",version="",method="GET",status="4xx"} 1'
  )
  t.match(text, 'sluice_limit_decisions_total{tier="once",decision="allowed"} 1')
  t.match(text, 'sluice_limit_decisions_total{tier="once",decision="rejected"} 1')
  t.match(text, 'sluice_limit_decisions_total{tier="once",decision="unavailable"} 0')
  t.match(text, /^sluice_connections [0-9]+$/m)
  t.match(text, /^sluice_recorder_bytes [1-9][0-9]*$/m)
  t.match(text, /^sluice_recorder_missed_total 0$/m)
  t.match(text, /^sluice_log_dropped_total 0$/m)
})

t.test('issuers and the ends of certificates are metrics', async t => {
  const good = await startTokens(t)
  const down = await startTokens(t)
  const issuer = await closedPort()
  const scope = (name: string) => ({ prefix: `/${name}`, jwt: name, routes: products })
  const { gateway } = await startGateway(t, {
    upstreams: { products: { url: 'https://localhost:1', tls } },
    issuers: {
      good: good.options,
      down: { ...down.options, issuer, jwksUri: `${issuer}/jwks` }
    },
    scopes: { good: scope('good'), down: scope('down') }
  })
  const authorization = `Bearer ${down.token({ iss: issuer })}`
  const { statusCode } = await gateway.inject({ url: '/down', headers: { authorization } })
  t.equal(statusCode, 503)
  const text = await gateway.metrics?.metrics()
  t.match(text, /^sluice_issuer_up\{issuer="good"\} 1$/m)
  t.match(text, /^sluice_issuer_up\{issuer="down"\} 0$/m)
  const end = Date.parse(new X509Certificate(tls.cert).validTo) / 1_000
  t.match(text, `sluice_certificate_expiry_timestamp_seconds{used_by="upstream products"} ${end}\n`)
})
