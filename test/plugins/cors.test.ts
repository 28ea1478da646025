import t from 'tap'
import { resolveConfig } from '../../config/resolve-config.ts'
import forward from '../../plugins/forward.ts'
import type { ConfigError } from '../../schemas/options/faults.ts'
import { call, type Ending, startGateway, startService } from '../harness.ts'

const ORIGIN = 'https://app.example'
const cors = { origins: [ORIGIN], credentials: true }

async function start(t: Ending, patterns: object = { cors }) {
  let calls = 0
  const service = await startService(t, (_request, response) => {
    calls++
    response
      .setHeader('access-control-allow-origin', '*')
      .setHeader('access-control-allow-headers', 'X-Theirs')
    response.setHeader('vary', 'Accept').setHeader('content-type', 'application/json').end('{"id":1}')
  })
  const routes = async (app: import('fastify').FastifyInstance) => {
    await app.register(forward)
    app.forward({ method: ['GET', 'PUT'], url: '/', upstream: 'products', prefix: '' })
  }
  const { url } = await startGateway(t, {
    upstreams: { products: { url: service } },
    issuers: { shop: { issuer: 'http://127.0.0.1:1', audience: 'a' } },
    tiers: { one: { limits: [{ limit: 1, window: 60_000 }] } },
    scopes: {
      open: { prefix: '/open', routes, ...patterns },
      guarded: { prefix: '/guarded', routes, jwt: 'shop', rateLimit: { address: 'one' }, ...patterns },
      none: { prefix: '/none', routes }
    }
  } as never)
  return { url, calls: () => calls }
}

const preflight = (origin: string): RequestInit => ({
  method: 'OPTIONS',
  headers: {
    origin,
    'access-control-request-method': 'PUT',
    'access-control-request-headers': 'authorization'
  }
})

t.test('the gateway answers preflights itself, before tokens and limits', async t => {
  const { url, calls } = await start(t)
  for (let i = 0; i < 3; i++) {
    const { status, headers } = await call(`${url}/guarded`, preflight(ORIGIN))
    t.equal(status, 204)
    t.equal(headers.get('access-control-allow-origin'), ORIGIN)
    t.equal(headers.get('access-control-allow-credentials'), 'true')
    t.match(headers.get('access-control-allow-methods'), /PUT/)
    t.equal(headers.get('access-control-allow-headers'), 'Authorization, Content-Type')
    t.equal(headers.get('access-control-max-age'), '600')
    t.match(headers.get('vary'), /Origin/)
  }
  t.equal(
    (await call(`${url}/guarded/x/y`, preflight('https://evil.example'))).headers.get(
      'access-control-allow-origin'
    ),
    null
  )
  t.equal(calls(), 0)
})

t.test('only pages of the origins may read responses, whatever headers the service sends', async t => {
  const { url } = await start(t)
  const good = await call(`${url}/open/`, { headers: { origin: ORIGIN } })
  t.equal(good.status, 200)
  t.equal(good.headers.get('access-control-allow-origin'), ORIGIN)
  t.equal(good.headers.get('access-control-allow-headers'), null)
  t.match(good.headers.get('access-control-expose-headers'), /RateLimit/)
  t.equal(good.headers.get('vary'), 'Accept, Origin')
  const bad = await call(`${url}/open/`, { headers: { origin: 'https://evil.example' } })
  t.equal(bad.headers.get('access-control-allow-origin'), null)
  t.equal(bad.headers.get('vary'), 'Accept, Origin')
})

t.test('pages may read 401 and 429', async t => {
  const { url } = await start(t)
  const answer = await call(`${url}/guarded`, { headers: { origin: ORIGIN } })
  t.equal(answer.status, 401)
  t.equal(answer.headers.get('access-control-allow-origin'), ORIGIN)
  const limited = await call(`${url}/guarded`, { headers: { origin: ORIGIN } })
  t.equal(limited.status, 429)
  t.equal(limited.headers.get('access-control-allow-origin'), ORIGIN)
})

t.test('pages may read 404 and 405', async t => {
  const { url } = await start(t, { cors, securityHeaders: {} })
  const cases: [path: string, status: number, init?: RequestInit][] = [
    ['/open/nothing', 404],
    ['/open', 405, { method: 'DELETE' }],
    // 404 and 405 come before token and limit.
    ['/guarded/nothing', 404],
    ['/guarded/nothing', 404],
    ['/guarded', 405, { method: 'POST' }]
  ]
  for (const [path, status, init] of cases) {
    const { headers, ...answer } = await call(`${url}${path}`, { ...init, headers: { origin: ORIGIN } })
    t.equal(answer.status, status, path)
    t.equal(answer.json.status, status)
    t.equal(headers.get('access-control-allow-origin'), ORIGIN)
    t.equal(headers.get('access-control-allow-credentials'), 'true')
    t.match(headers.get('access-control-expose-headers'), /X-Request-Id/)
    t.equal(headers.get('vary'), 'Origin')
    t.equal(headers.get('x-content-type-options'), 'nosniff')
    t.equal(headers.get('allow'), status === 405 ? 'GET, HEAD, PUT' : null)
  }
  const foreign = await call(`${url}/open/nothing`, { headers: { origin: 'https://evil.example' } })
  t.equal(foreign.headers.get('access-control-allow-origin'), null)
  for (const path of ['/none/nothing', '/openly', '/'])
    t.equal(
      (await call(`${url}${path}`, { headers: { origin: ORIGIN } })).headers.get(
        'access-control-allow-origin'
      ),
      null
    )
})

t.test('the prefix of one scope may lie within that of another', async t => {
  const inner = { origins: ['https://inner.example'] }
  const routes = async () => {}
  const { url } = await startGateway(t, {
    scopes: {
      outer: { prefix: '/a', routes, cors },
      inner: { prefix: '/a/b', routes, cors: inner },
      plain: { prefix: '/a/c', routes }
    }
  })
  const allowed = async (path: string, origin: string) =>
    (await call(`${url}${path}`, { headers: { origin } })).headers.get('access-control-allow-origin')
  t.equal(await allowed('/a/x', ORIGIN), ORIGIN)
  t.equal(await allowed('/a/b/x', ORIGIN), null)
  t.equal(await allowed('/a/b/x', 'https://inner.example'), 'https://inner.example')
  t.equal(await allowed('/a/c/x', ORIGIN), null)
})

t.test('pages may read the 403 of the IP filter', async t => {
  const { url } = await start(t, { cors, ipFilter: { deny: ['127.0.0.1'] } })
  for (const path of ['/open', '/open/nothing']) {
    const { status, headers } = await call(`${url}${path}`, { headers: { origin: ORIGIN } })
    t.equal(status, 403, path)
    t.equal(headers.get('access-control-allow-origin'), ORIGIN)
  }
})

t.test('pages may read the responses of all versions, with 400 and 404', async t => {
  const routes = async (app: import('fastify').FastifyInstance) => void app.get('/', async () => [])
  const { url } = await startGateway(t, {
    scopes: {
      things: {
        prefix: '/{version}/things',
        cors,
        versions: { v1: { routes }, v2: { routes } },
        version: { header: 'accept-version' }
      }
    }
  })
  const cases: [path: string, version: string, status: number][] = [
    ['/v1/things', 'v1', 200],
    ['/v1/things/x', 'v1', 404],
    ['/v3/things', 'v3', 400],
    ['/things', 'v2', 200],
    ['/things/x', 'v2', 404],
    ['/things', 'v3', 400]
  ]
  for (const [path, version, status] of cases) {
    const answer = await call(`${url}${path}`, { headers: { origin: ORIGIN, 'accept-version': version } })
    t.equal(answer.status, status, `${path} ${version}`)
    t.equal(answer.headers.get('access-control-allow-origin'), ORIGIN)
  }
})

t.test('routes may set a not-found handler', async t => {
  const { url } = await startGateway(t, {
    scopes: {
      own: {
        prefix: '/own',
        cors,
        routes: async app =>
          void app.setNotFoundHandler((_request, reply) => reply.code(404).send({ own: true }))
      }
    }
  })
  const { status, json, headers } = await call(`${url}/own/nothing`, { headers: { origin: ORIGIN } })
  t.equal(status, 404)
  t.same(json, { own: true })
  t.equal(headers.get('access-control-allow-origin'), ORIGIN)
})

t.test('CORS applies to its own scope only', async t => {
  const { url } = await start(t)
  t.equal((await call(`${url}/none`, preflight(ORIGIN))).status, 405)
  const { headers } = await call(`${url}/none/`, { headers: { origin: ORIGIN } })
  t.equal(headers.get('access-control-allow-origin'), '*')
  t.equal((await call(`${url}/open/nothing`)).status, 404)
  const other = await call(`${url}/open/`, { method: 'OPTIONS' })
  t.match(other.json, { status: 400, type: 'urn:sluice:not-preflight' })
})

t.test('all origins', async t => {
  const { url } = await start(t, { cors: { origins: ['*'] } })
  const { headers } = await call(`${url}/open/`, { headers: { origin: 'https://any.example' } })
  t.equal(headers.get('access-control-allow-origin'), '*')
  t.equal(headers.get('vary'), 'Accept')
})

t.test('a config reports wrong options of cors', t => {
  const cases: [object, object][] = [
    [{ origins: [] }, { path: '/scopes/open/cors/origins' }],
    [{ origins: ['app.example'] }, { path: '/scopes/open/cors/origins/0', message: /must be an origin/ }],
    [{ origins: ['https://app.example/'] }, { path: '/scopes/open/cors/origins/0' }],
    [
      { origins: ['*'], credentials: true },
      { path: '/scopes/open/cors', message: /name its origins/ }
    ],
    [
      { origins: ['*'], method: [] },
      { path: '/scopes/open/cors/method', message: 'is not known' }
    ]
  ]
  for (const [cors, fault] of cases) {
    try {
      resolveConfig({ default: { scopes: { open: { prefix: '/open', routes: async () => {}, cors } } } }, {})
      t.fail('it is taken')
    } catch (error) {
      t.match((error as ConfigError).faults, [fault])
    }
  }
  t.end()
})
