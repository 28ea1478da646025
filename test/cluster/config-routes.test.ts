import t from 'tap'
import { ordersV1 } from '../../routes/orders.v1.ts'
import { ordersV2 } from '../../routes/orders.v2.ts'
import { call } from '../harness.ts'
import { startCluster } from './workers.ts'

const ok = (_request: unknown, response: { end(text: string): void }) => void response.end('ok')

t.test('/routes shows the patterns in the order in which a request meets them', async t => {
  const { admin, workers } = await startCluster(t, 2, ok, {
    overload: { maxEventLoopDelay: 10_000 },
    upstreams: { orders: { url: 'http://127.0.0.1:1' } },
    issuers: { shop: { issuer: 'http://127.0.0.1:1', audience: 'api://gateway' } },
    tiers: { free: { limits: [{ limit: 100, window: 60_000 }] } },
    scopes: {
      orders: {
        prefix: '/api/{version}/orders',
        versions: {
          v1: { routes: ordersV1, deprecated: '2020-11-01T00:00:00Z', sunset: '2099-11-01T00:00:00Z' },
          v2: { routes: ordersV2 }
        },
        cors: { origins: ['https://app.example'] },
        ipFilter: { deny: ['192.0.2.0/24'] },
        jwt: 'shop',
        rateLimit: { address: 'free', consumer: 'free' }
      },
      own: {
        prefix: '/own',
        routes: async (app: any) => {
          app.get(
            '/:id',
            { schema: { params: { type: 'object', properties: { id: { type: 'integer' } } } } },
            async () => 'own'
          )
        }
      }
    }
  } as never)
  const { status, json } = await call(`${admin}/routes`)
  t.equal(status, 200)
  const routes: any[] = json
  const post = routes.find(({ methods, version }) => methods.includes('POST') && version === 'v1')
  t.same(
    post.patterns.map(({ name }: { name: string }) => name),
    [
      'deadline',
      'CORS',
      'load shedding',
      'IP filter',
      'address limit',
      'version',
      'JWT',
      'end of the version',
      'consumer limit',
      'body limit',
      'validation',
      'transform'
    ]
  )
  t.match(post.patterns, [
    { detail: '10s' },
    { detail: 'https://app.example' },
    { detail: 'priority normal' },
    { detail: 'deny 192.0.2.0/24' },
    { detail: 'free' },
    { detail: 'v1' },
    { detail: 'shop' },
    { detail: 'deprecated 2020-11-01T00:00:00Z, sunset 2099-11-01T00:00:00Z' },
    { detail: 'free' },
    { detail: '1MiB' },
    { detail: 'body' },
    { detail: 'transform orders' }
  ])
  const own = routes.find(({ scope }) => scope === 'own')
  t.match(own, { path: '/own/:id', validates: ['params'], issuer: undefined })
  t.same(own.patterns, [
    { name: 'deadline', detail: '10s' },
    { name: 'load shedding', detail: 'priority normal' },
    { name: 'validation', detail: 'params' },
    { name: 'handler', detail: 'own handler' }
  ])
  for (const worker of workers) worker.state = 'draining'
  t.match(await call(`${admin}/routes`), { status: 503, json: { type: 'urn:sluice:workers-silent' } })
})

t.test('/config shows the resolved configuration without secrets', async t => {
  const { admin, build } = await startCluster(t, 1, ok, { redis: { url: 'redis://:hunter2@127.0.0.1:1' } })
  const { json, text } = await call(`${admin}/config`)
  t.notMatch(text, 'hunter2')
  t.match(json, {
    redis: { url: 'redis://[redacted]@127.0.0.1:1' },
    admin: { host: '127.0.0.1' },
    scopes: { things: { prefix: '/things', routes: '[function routes]' } }
  })
  const open = await build({ host: '0.0.0.0' })
  for (const url of ['/config', '/routes']) t.equal((await open.inject(url)).statusCode, 403, url)
})

t.test('/version names the running version', async t => {
  const { admin } = await startCluster(t, 1, ok)
  t.match((await call(`${admin}/version`)).json, {
    version: /^\d+\.\d+\.\d+/,
    node: process.version,
    pid: process.pid,
    startedAt: /^\d{4}-.*Z$/,
    generation: 1
  })
})
