import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import t from 'tap'
import { startDryRun } from '../../cli/dry-run.ts'
import { resolveConfig } from '../../config/resolve-config.ts'
import { buildGateway } from '../../gateway.ts'
import forward from '../../plugins/forward.ts'
import { startTokens } from '../../testing.ts'
import { call, startService, startShop } from '../harness.ts'
import { until } from '../until.ts'
import { sluice } from './golden.ts'

t.test('a dry run connects to nothing that the running gateway connects to', async t => {
  const reached = { upstream: 0, redis: 0, issuer: 0, dns: 0 }
  const listen = async (name: keyof typeof reached) => {
    const server = createServer(socket => {
      reached[name]++
      socket.destroy()
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => server.close())
    return `127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  const dns = createSocket('udp4').on('message', () => void reached.dns++)
  dns.bind(0, '127.0.0.1')
  await once(dns, 'listening')
  t.teardown(() => dns.close())

  const issuer = `http://${await listen('issuer')}`
  const config = resolveConfig(
    {
      default: {
        log: { level: 'silent' },
        redis: { url: `redis://${await listen('redis')}` },
        issuers: { shop: { issuer, jwksUri: `${issuer}/jwks`, audience: 'api' } },
        tiers: { free: { limits: [{ limit: 100, window: 1_000 }] } },
        upstreams: {
          things: { url: `http://${await listen('upstream')}`, health: { path: '/', interval: 10 } },
          named: { dns: { name: 'named.example', port: 80, servers: [`127.0.0.1:${dns.address().port}`] } }
        },
        scopes: {
          things: {
            prefix: '/things',
            jwt: 'shop',
            rateLimit: { address: 'free', consumer: 'free' },
            routes: async (app: import('fastify').FastifyInstance) => {
              await app.register(forward)
              app.forward({ method: 'GET', url: '/', upstream: 'things', prefix: '' })
            }
          }
        }
      }
    },
    {}
  )
  const request = (token: string) =>
    Buffer.from(`GET /things HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`)
  const dryRun = await startDryRun(config)
  const token = dryRun.keys.issue({ iss: issuer, aud: 'api', sub: 'ada', exp: Date.now() / 1_000 + 300 })
  for (let i = 0; i < 50; i++) t.equal((await dryRun.send(request(token), '127.0.0.1')).calls.length, 1)
  t.equal(dryRun.gateway.server.listening, false)
  await dryRun.close()
  t.same(reached, { upstream: 0, redis: 0, issuer: 0, dns: 0 })

  const gateway = await buildGateway(config)
  t.teardown(() => gateway.close())
  const url = await gateway.listen({ port: 0, host: '127.0.0.1' })
  await call(`${url}/things`, { headers: { authorization: `Bearer ${token}` } })
  await until(() => Object.values(reached).every(count => count > 0))
})

t.test('explain shows the calls and responses of the running gateway', async t => {
  const tokens = await startTokens(t)
  let seen: { method: string; url: string; headers: IncomingHttpHeaders } | undefined
  const echo = await startService(t, ({ method = '', url = '', headers }, response) => {
    seen = { method, url, headers }
    response.end('{}')
  })
  const env = {
    USERS_URL: `${echo}/base`,
    ORDERS_URL: echo,
    PRODUCTS_URL: echo,
    JWT_ISSUER: tokens.options.issuer,
    JWKS_URI: tokens.options.jwksUri
  }
  const { url } = await startShop(t, env)
  const order = JSON.stringify({
    lines: [{ productId: 'p', quantity: 1, unitPrice: { amount: '0.10', currency: 'GBP' } }],
    shipping: { street: 'a', city: 'b', region: 'c', postalCode: 'd', countryCode: 'GB' }
  })
  const bearer = { Authorization: `Bearer ${tokens.token()}` }
  const requests: [method: string, path: string, headers?: Record<string, string>, body?: string][] = [
    [
      'GET',
      '/api/v1/products?b=%20&a=1',
      { Cookie: 'a=b', 'X-User-Id': 'root', 'X-Forwarded-For': '1.2.3.4' }
    ],
    ['HEAD', '/api/v1/products/1'],
    ['GET', '/api/v1/users/ada', { ...bearer, 'X-User-Roles': 'admin', Accept: 'text/plain' }],
    ['GET', '/api/v1/users/grace', bearer],
    ['GET', '/api/v1/users/ada', { Authorization: `Bearer ${tokens.token({ aud: 'x' })}` }],
    ['GET', '/api/v1/users/ada', { Authorization: `Bearer ${tokens.token({ exp: 1 })}` }],
    ['POST', '/api/v2/orders', { ...bearer, 'X-Correlation-Id': 'c1' }, order],
    ['POST', '/api/v2/orders', bearer, '{"lines":[]}'],
    ['POST', '/api/orders', { ...bearer, 'Accept-Version': '9' }, order],
    ['GET', '/api/orders/1', { ...bearer, 'Accept-Version': '1' }],
    ['DELETE', '/api/v1/products'],
    ['GET', '/api/v1/nothing']
  ]
  for (const [method, path, given = {}, body] of requests) {
    const headers: Record<string, string> = {
      ...given,
      'X-Request-Id': 'r1',
      Traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`,
      'User-Agent': 'test',
      Accept: given.Accept ?? '*/*',
      'Accept-Language': '*',
      'Sec-Fetch-Mode': 'cors',
      'Accept-Encoding': 'gzip, deflate',
      ...(body !== undefined && { 'Content-Type': 'application/json' })
    }
    seen = undefined
    const { status, json } = await call(url + path, { method, headers, ...(body !== undefined && { body }) })
    const { out } = await sluice(
      [
        'explain',
        method,
        path,
        '--json',
        ...Object.entries({ ...headers, Host: new URL(url).host }).flatMap(([name, value]) => [
          '-H',
          `${name}: ${value}`
        ]),
        ...(body === undefined ? [] : ['-d', body])
      ],
      env
    )
    const { calls, response } = JSON.parse(out)
    const name = `${method} ${path}`
    if (seen === undefined) {
      t.equal(calls.length, 0, name)
      t.equal(response.status, status, name)
      t.equal(response.title, json.title, name)
      continue
    }
    const {
      host,
      connection,
      authorization,
      cookie,
      'content-length': length,
      ...received
    } = (seen as { headers: IncomingHttpHeaders }).headers
    const { authorization: masked, cookie: hidden, ...sent } = calls[0].headers
    t.same(sent, received, name)
    t.equal(calls[0].method, (seen as { method: string }).method)
    t.equal(calls[0].urls[0], echo + (seen as { url: string }).url)
    t.equal(masked === undefined, authorization === undefined)
    t.equal(hidden === undefined, cookie === undefined)
  }
})
