import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import Type from 'typebox'
import compose from '../../../plugins/compose.ts'
import { path } from '../../../proxy/path-template.ts'
import { startRedis, startTokens } from '../../../testing.ts'
import { call, startGateway, startService } from '../../harness.ts'
import { until } from '../../until.ts'
import { startCollector, type Value } from './collector.ts'
import { exportTo } from './environment.ts'
import { toTrees } from './span-tree.ts'

/** Traces of a composed exchange with a retry, a missing part, a token, whose keys are fetched, and a limit in Redis. */

const trace = '0af7651916cd43dd8448eb211c80319c'
const span = 'b7ad6b7169203331'
const expected = JSON.parse(readFileSync(join(import.meta.dirname, 'golden.json'), 'utf8'))

async function startShop(t: Test) {
  const seen: { url: string; traceparent: string; tracestate: string }[] = []
  let isUp = false
  const listen = () =>
    startService(t, ({ url = '', headers }, response) => {
      const { traceparent, tracestate } = headers as Record<string, string>
      seen.push({ url, traceparent, tracestate } as never)
      response.setHeader('content-type', 'application/json')
      if (url.startsWith('/users')) return void response.end('{"name":"Ada"}')
      if (url === '/reviews') return void response.writeHead(500).end('{}')
      response.writeHead(isUp ? 200 : 503).end('[1,2]')
      isUp = true
    })
  const [users, orders, reviews] = [await listen(), await listen(), await listen()]
  const redis = await startRedis(t)
  const tokens = await startTokens(t)
  const { url } = await startGateway(t, {
    otel: { consumer: true, clientAddress: true, serverAddress: true },
    upstreams: { users: { url: users }, orders: { url: orders, retry: {} }, reviews: { url: reviews } },
    issuers: { auth: tokens.options },
    redis: { url: redis.url },
    tiers: { free: { counting: 'exact', limits: [{ limit: 10, window: 60_000 }] } },
    scopes: {
      home: {
        prefix: '/api/home',
        jwt: 'auth',
        rateLimit: { consumer: 'free' },
        routes: async app => {
          await app.register(compose)
          app.compose({
            url: '/:name',
            parts: {
              user: {
                upstream: 'users',
                required: true,
                upstreamResponse: Type.Object({ name: Type.String() }),
                path: ({ params }) => path`/users/${(params as { name: string }).name}?token=secret&page=2`
              },
              orders: {
                upstream: 'orders',
                upstreamResponse: Type.Array(Type.Integer()),
                path: () => '/orders'
              },
              reviews: {
                upstream: 'reviews',
                upstreamResponse: Type.Array(Type.Integer()),
                path: () => '/reviews'
              }
            },
            response: Type.Object({ name: Type.String(), orders: Type.Any(), reviews: Type.Any() }),
            toClient: ({ user, orders, reviews }) => ({ name: user.name, orders, reviews })
          })
        }
      }
    }
  })
  const names = new Map([
    [users, 'USERS'],
    [orders, 'ORDERS'],
    [reviews, 'REVIEWS'],
    [redis.url, 'REDIS'],
    [tokens.options.issuer, 'ISSUER'],
    [url, 'GATEWAY']
  ])
  return { url, seen, tokens, toText: portsTo(names) }
}

/** Returns a function that replaces the URLs and ports of servers by their names. */
function portsTo(names: Map<string, string>): (value: Value) => Value {
  return value => {
    for (const [url, name] of names) {
      if (value === Number(new URL(url).port)) return name
      if (typeof value === 'string' && value.startsWith(`${url}/`)) return value.replace(url, name)
    }
    return value
  }
}

for (const protocol of ['http/protobuf', 'http/json', 'grpc'])
  t.test(`a collector gets the spans of an exchange over ${protocol}`, async t => {
    const collector = await startCollector(t)
    exportTo(t, collector, protocol)
    const { url, seen, tokens, toText } = await startShop(t)
    const answer = await call(`${url}/api/home/ada?access_token=secret&page=1`, {
      headers: {
        authorization: `Bearer ${tokens.token()}`,
        'x-request-id': 'request-1',
        traceparent: `00-${trace}-${span}-01`,
        tracestate: 'vendor=1'
      }
    })
    t.same(answer.json, { name: 'Ada', orders: [1, 2], reviews: null, missing: ['reviews'] })
    await until(() => collector.spans.some(({ kind }) => kind === 'SERVER'))
    const { spans } = collector
    t.same(toTrees(spans, toText), expected)
    const server = spans.find(({ kind }) => kind === 'SERVER')
    t.match(server, { traceId: trace, parentSpanId: span, traceState: 'vendor=1' })
    t.ok(spans.every(one => one.traceId === trace && one.start <= one.end))

    // Each request to a service has the id of its own span as parent, and the client's tracestate.
    const sent = new Map(spans.map(({ spanId, attributes }) => [spanId, attributes['url.full']]))
    t.equal(seen.length, 4)
    for (const { url, traceparent, tracestate } of seen) {
      t.match(traceparent, new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`))
      t.ok(String(sent.get(traceparent.slice(36, 52))).endsWith(url.replace('secret', '[redacted]')), url)
      t.equal(tracestate, 'vendor=1')
    }
    t.equal(new Set(seen.map(({ traceparent }) => traceparent)).size, 4)
    t.match(collector.resource, { 'service.name': 'sluice', 'telemetry.sdk.language': 'nodejs' })
    t.match(collector.resource['service.instance.id'], /^[0-9a-f-]{36}$/)
  })
