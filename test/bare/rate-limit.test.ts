import fastifyRateLimit from '@fastify/rate-limit'
import Fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { exchange, problem, type RateLimitOptions, rateLimit, redis } from 'sluice'
import t from 'tap'
import { startRedis } from '../../testing/redis-server.ts'
import { call } from '../harness.ts'
import { listen } from './app.ts'

const few = { limits: [{ limit: 2, window: 60_000 }] }
const many = { limits: [{ limit: 100, window: 60_000 }] }

t.test('rateLimit rejects what is over the limit of a scope in a bare app', async t => {
  for (const withProblem of [false, true]) {
    const app = Fastify()
    if (withProblem) {
      await app.register(problem)
      await app.register(exchange)
    }
    await app.register(limited({ by: 'address', ...few }), { prefix: '/api/orders' })
    app.get('/', async () => 'unlimited')
    const url = await listen(t, app)
    t.strictSame(await statuses(`${url}/api/orders`, 2), [200, 200])
    const { status, headers, json } = await call(`${url}/api/orders`)
    t.equal(status, 429)
    t.equal(headers.get('ratelimit-policy'), '"api-orders-address";q=2;w=60')
    t.match(headers.get('ratelimit'), /^"api-orders-address";r=0;t=\d+$/)
    t.match(headers.get('retry-after'), /^\d+$/)
    t.match(
      json,
      withProblem
        ? {
            type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
            'violated-policies': ['api-orders-address']
          }
        : { code: 'SLUICE_QUOTA_EXCEEDED', message: 'Too many requests' }
    )
    t.equal((await call(url)).status, 200)
  }
})

t.test('scopes with the same tier share its counters, others do not', async t => {
  const app = Fastify()
  await app.register(rateLimit, { tiers: { few, many } })
  await app.register(limited({ by: 'address', tier: 'few' }), { prefix: '/a' })
  await app.register(limited({ by: 'address', tier: 'few', tiers: { few } }), { prefix: '/b' })
  await app.register(limited({ by: 'address', ...few }), { prefix: '/c' })
  await app.register(limited({ by: 'address', ...few }), { prefix: '/d' })
  await app.register(limited({ by: 'address', name: 'own', ...few }), { prefix: '/e' })
  await app.register(limited({ by: 'address', name: 'own', ...few }), { prefix: '/f' })
  const url = await listen(t, app)
  const asked = async (...paths: string[]) =>
    (await Promise.all(paths.map(path => statuses(url + path, 1)))).flat().sort()
  t.strictSame(await asked('/a', '/b', '/a'), [200, 200, 429])
  t.strictSame(await asked('/c', '/c', '/d', '/d'), [200, 200, 200, 200])
  t.strictSame(await asked('/e', '/f', '/e'), [200, 200, 429])
})

t.test(
  'the tier of a user picks among the tiers, and a request without a user counts by address',
  async t => {
    const app = Fastify()
    await app.register(users)
    await app.register(limited({ by: 'consumer', tier: 'few', tiers: { few, many } }), { prefix: '/tiers' })
    await app.register(limited({ by: 'consumer', ...few }), { prefix: '/own' })
    const url = await listen(t, app)
    const policy = async (path: string, user?: string) =>
      (await call(url + path, user ? { headers: { 'x-user': user } } : {})).headers.get('ratelimit-policy')
    t.equal(await policy('/tiers', 'ada few'), '"few";q=2;w=60')
    t.equal(await policy('/tiers', 'ada many'), '"many";q=100;w=60')
    t.equal(await policy('/tiers', 'ada constructor'), '"few";q=2;w=60')
    t.equal(await policy('/own', 'ada many'), '"own-consumer";q=2;w=60', 'no other tier applies')
    t.strictSame(await statuses(`${url}/tiers`, 3), [200, 200, 429])
    t.strictSame(await statuses(`${url}/tiers`, 3, { 'x-user': 'bob few' }), [200, 200, 429])
  }
)

t.test('a limit by consumer without a plugin that sets request.user fails at start', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(Promise.resolve(app.register(limited({ by: 'consumer', ...few }))), {
    message:
      "rateLimit: by 'consumer' needs request.user: register jwt before it, or a plugin that calls decorateRequest('user')"
  })
})

t.test(
  'one name for the limits of two scopes is an error, unless they are equal and meant to be shared',
  async t => {
    const cases: Record<string, [RateLimitOptions, RateLimitOptions, string, string]> = {
      few: [{ by: 'address', name: 'few', ...few }, { by: 'address', name: 'few', ...many }, '/a', '/b'],
      'api-a-address': [{ by: 'address', ...few }, { by: 'address', ...few }, '/api/a', '/api-a'],
      many: [
        { by: 'address', tier: 'many', tiers: { many } },
        { by: 'address', tier: 'many', tiers: { many: few } },
        '/a',
        '/b'
      ]
    }
    for (const [name, [one, other, prefix, otherPrefix]] of Object.entries(cases)) {
      const app = Fastify()
      t.teardown(() => app.close())
      await app.register(limited(one), { prefix })
      await t.rejects(Promise.resolve(app.register(limited(other), { prefix: otherPrefix })), {
        message: `rateLimit: another scope has other limits named '${name}'; give one of them another name`
      })
    }
  }
)

t.test('rateLimit reports all faults of its options at once', async t => {
  const faults = async (options: object) => {
    const app = Fastify()
    t.teardown(() => app.close())
    return app.register(rateLimit, options as never).then(
      () => 'no fault',
      (error: Error) => error.message
    )
  }
  t.match(
    await faults({ by: 'adress', limits: [{ limit: 0, window: 10 }], onRedisDown: 'opn' }),
    /^rateLimit: .*\/by must be one of consumer, address; did you mean address\?.*\/limits\/0\/limit .*\/limits\/0\/window .*\/onRedisDown must be one of/
  )
  t.equal(
    await faults({ tiers: { 'few"': few } }),
    'rateLimit: /tiers/few" is not a name: a-z, then a-z, 0-9 or -'
  )
  t.equal(await faults({ by: 'address' }), 'rateLimit: /limits is missing')
  t.equal(await faults({ tier: 'few', tiers: { few } }), 'rateLimit: /by is missing')
  t.equal(await faults({ by: 'address', tiers: { few } }), 'rateLimit: /tier is missing')
  t.match(await faults({ by: 'address', tier: 'few', ...few }), /^rateLimit: \/limits is not known/)
  t.equal(
    await faults({ by: 'address', tier: 'fe', tiers: { few, many } }),
    "rateLimit: no tier is named 'fe'; there are: few, many; did you mean few?"
  )
})

t.test('gateways and keys are the same in the whole app', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(limited({ by: 'address', ...few, keys: 10 }), { prefix: '/a' })
  await app.register(limited({ by: 'address', ...few }), { prefix: '/b' })
  await t.rejects(
    Promise.resolve(app.register(limited({ by: 'address', ...few, keys: 20 }), { prefix: '/c' })),
    { message: 'rateLimit: keys is 20 here and 10 elsewhere; it must be the same in the whole app' }
  )
})

t.test('with the redis plugin all apps share the counters', async t => {
  const server = await startRedis(t)
  const urls: string[] = []
  for (const [name, isFirst] of [
    ['before', true],
    ['after', false]
  ] as const) {
    const app = Fastify()
    if (isFirst) await app.register(redis, { url: server.url })
    await app.register(limited({ by: 'address', name: 'shared', ...few }))
    if (!isFirst) await app.register(redis, { url: server.url })
    urls.push(await listen(t, app))
    t.ok(urls.at(-1), `redis registered ${name} the limit`)
  }
  const results: number[] = []
  for (const url of [...urls, ...urls]) results.push(...(await statuses(url, 1)))
  t.strictSame(results, [200, 200, 429, 429])
})

t.test("an app's own @fastify/rate-limit keeps its routes, and not those of rateLimit", async t => {
  const app = Fastify()
  await app.register(async scope => {
    await scope.register(fastifyRateLimit, { max: 1 })
    scope.get('/own', async () => 'ok')
  })
  await app.register(limited({ by: 'address', ...few }), { prefix: '/sluice' })
  const url = await listen(t, app)
  t.strictSame(await statuses(`${url}/own`, 2), [200, 429])
  t.strictSame(await statuses(`${url}/sluice`, 3), [200, 200, 429])

  const other = Fastify()
  t.teardown(() => other.close())
  await other.register(fastifyRateLimit, { max: 1 })
  await t.rejects(Promise.resolve(other.register(limited({ by: 'address', ...few }))), {
    message: /@fastify\/rate-limit is registered in this scope too/
  })
})

function limited(options: RateLimitOptions) {
  return async (scope: FastifyInstance) => {
    await scope.register(rateLimit, options)
    scope.get('/', async () => 'ok')
  }
}

/** Takes `SUBJECT TIER` from a header. */
const users = fp(async (app: FastifyInstance) => {
  app.decorateRequest('user')
  app.addHook('onRequest', async request => {
    const [sub, tier = ''] = String(request.headers['x-user'] ?? '').split(' ')
    if (sub) request.user = { sub, tier, roles: [], permissions: [] }
  })
})

async function statuses(url: string, count: number, headers: Record<string, string> = {}): Promise<number[]> {
  const results: number[] = []
  for (let n = 0; n < count; n++) results.push((await call(url, { headers })).status)
  return results
}
