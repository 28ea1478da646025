import t from 'tap'
import { resolveConfig } from '../../config/resolve-config.ts'
import * as shop from '../../fastify.config.ts'
import { buildGateway } from '../../gateway.ts'
import { ConfigError } from '../../schemas/options/faults.ts'

const routes = async () => {}

function faultsOf(definition: unknown, env = {}, module: object = { default: definition }) {
  try {
    resolveConfig(module as never, env)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.faults
  }
}

t.test('the shop needs no environment variables', async t => {
  const config = resolveConfig(shop, {})
  t.match(config, {
    listen: { host: '127.0.0.1', port: 8080 },
    admin: { host: '127.0.0.1', port: 8081 },
    log: { level: 'info' },
    deadline: 10_000,
    upstreams: {
      orders: {
        url: 'http://127.0.0.1:4002',
        breaker: { failures: 5, resetTimeout: 30_000, halfOpenRequests: 3 }
      }
    },
    issuers: { shop: { issuer: 'http://127.0.0.1:4000', audience: 'api://gateway' } },
    tiers: {
      premium: {
        limits: [{ limit: 10_000, window: 60_000, algorithm: 'sliding-window' }],
        onRedisDown: 'local'
      }
    }
  })
  t.equal(config.redis, undefined)
})

t.test('trusted proxies are addresses, ranges or one of three names', async t => {
  const message = /^must be an address, a range such as 10.0.0.0\/8/
  for (const proxy of [
    'nonsense',
    '10.0.0.0/8x',
    '10.0.0.0/33',
    '10.0.0.0/',
    '::/0',
    '1',
    '',
    'loopback, ::1'
  ])
    t.match(faultsOf({ trustProxy: ['127.0.0.1', proxy] }), [{ path: '/trustProxy/1', message }], proxy)
  const good = ['10.0.0.0/8', '10.0.0.0/255.0.0.0', '2001:db8::/32', '::ffff:10.0.0.0/104', '::1', 'loopback']
  const config = resolveConfig({ default: { log: { level: 'silent' }, trustProxy: good } }, {})
  await (await buildGateway(config)).close()
  t.same(config.trustProxy, good)
})

t.test('variables are converted, and an empty one counts as not set', async t => {
  const config = resolveConfig(shop, {
    PORT: '9000',
    HOST: '',
    REDIS_URL: 'redis://r:6379',
    JWKS_URI: 'https://id.example/jwks',
    OTHER: 'x'
  })
  t.match(config, {
    listen: { host: '127.0.0.1', port: 9000 },
    redis: { url: 'redis://r:6379', timeout: 50 }
  })
  t.equal(config.issuers.shop?.jwksUri, 'https://id.example/jwks')
})

t.test('all faults of environment and config are reported at once with their paths', async t => {
  const env = {
    PORT: 'eighty',
    ADMIN_PORT: '70000',
    ORDERS_URL: 'orders',
    JWT_ISSUER: 'http://id.example',
    REDIS_URL: 'http://r',
    LOG_LEVEL: 'loud'
  }
  const faults = faultsOf(undefined, env, shop)
  t.same(faults.map(({ path }) => path).sort(), Object.keys(env).sort())

  const definition = {
    listen: { port: '8080', hots: 'x' },
    deadline: 0,
    upstreams: {
      orders: { url: 'ftp://x', breaker: { failures: 0, trails: 1 } },
      Bad_Name: { url: 'http://x' },
      none: {}
    },
    issuers: { shop: { issuer: 'http://id.example', audience: '' } },
    tiers: { free: { limits: [] }, odd: { limits: [{ limit: 'ten', window: 10 }], onRedisDown: 'maybe' } },
    scopes: {
      a: { prefix: 'api', routes, jwt: 'shpo', rateLimit: { consumer: 'fre', adress: 'free' } },
      b: { prefix: '/b', routes: 'routes/b.ts', rateLimit: { consumer: 'free' } }
    },
    typo: true
  }
  t.same(
    faultsOf(definition)
      .map(({ path }) => path)
      .sort(),
    [
      '/deadline',
      '/issuers/shop/audience',
      '/issuers/shop/issuer',
      '/listen/hots',
      '/listen/port',
      '/scopes/a/jwt',
      '/scopes/a/prefix',
      '/scopes/a/rateLimit/adress',
      '/scopes/a/rateLimit/consumer',
      '/scopes/b/rateLimit/consumer',
      '/scopes/b/routes',
      '/tiers/free/limits',
      '/tiers/odd/limits/0/limit',
      '/tiers/odd/limits/0/window',
      '/tiers/odd/onRedisDown',
      '/typo',
      '/upstreams/Bad_Name',
      '/upstreams/none/url',
      '/upstreams/orders/breaker/failures',
      '/upstreams/orders/breaker/trails',
      '/upstreams/orders/url'
    ]
  )
  for (const { message } of faultsOf(definition)) t.ok(message.length > 5)
})

t.test('a config must be an object', async t => {
  for (const definition of [null, 'x', [], 1]) t.equal(faultsOf(definition).length > 0, true)
})

t.test('a fault lists the known names', async t => {
  const [fault] = faultsOf({
    tiers: { free: { limits: [{ limit: 1, window: 1000 }] } },
    scopes: { a: { prefix: '/a', routes, rateLimit: { address: 'fre' } } }
  })
  t.same(fault, { path: '/scopes/a/rateLimit/address', message: "no tier is named 'fre'; there are: free" })
})

t.test('resolving does not change the definition', async t => {
  const definition = { upstreams: { a: { url: 'http://a' } } }
  resolveConfig({ default: definition }, {})
  t.same(definition, { upstreams: { a: { url: 'http://a' } } })
})

t.test('a route with an unknown upstream fails the start', async t => {
  const config = resolveConfig(
    {
      default: {
        upstreams: { orders: { url: 'http://127.0.0.1:1' } },
        log: { level: 'silent' },
        scopes: {
          a: {
            prefix: '/a',
            routes: async (app: import('fastify').FastifyInstance) => {
              const { default: forward } = await import('../../plugins/forward.ts')
              await app.register(forward)
              app.forward({ method: 'GET', url: '/', upstream: 'ordrs', prefix: '' })
            }
          }
        }
      }
    },
    {}
  )
  await t.rejects(buildGateway(config), { message: "no upstream is named 'ordrs'; there are: orders" })
})

t.test(
  'a route of a plugin that its scope has not registered fails the start with the plugin to register',
  async t => {
    const routes = async (app: import('fastify').FastifyInstance) => {
      app.transform({} as never)
    }
    const definition = { log: { level: 'silent' }, scopes: { a: { prefix: '/a', routes } } }
    await t.rejects(buildGateway(resolveConfig({ default: definition }, {})), {
      message:
        "app.transform is not a function; scope 'a' has not registered transform: await app.register(transform)"
    })
  }
)

t.test('unknown upstreams and versions are faults of the config', async t => {
  const url = 'http://a'
  const definition = {
    upstreams: { a: { url, mirror: { to: 'c' } }, b: { url, split: { to: { c: 5 } } } },
    scopes: {
      x: {
        prefix: '/{version}/x',
        versions: { v1: { routes, successor: 'v3' }, v2: { routes, deprecated: '2026-11-31T00:00:00Z' } },
        version: { query: 'v', default: 'v4' }
      }
    }
  }
  const { faults } = t.throws(() => resolveConfig({ default: definition }, {})) as unknown as ConfigError
  t.same(faults.map(({ path }) => path).sort(), [
    '/scopes/x/version/default',
    '/scopes/x/versions/v1/successor',
    '/scopes/x/versions/v2/deprecated',
    '/upstreams/a/mirror/to',
    '/upstreams/b/split/to/c'
  ])
})
