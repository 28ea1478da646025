import { setTimeout } from 'node:timers/promises'
import { normalizeIP } from '@fastify/rate-limit'
import type { FastifyInstance } from 'fastify'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { resolveConfig } from '../../config/resolve-config.ts'
import { createTier, type Decision } from '../../limits/limiter.ts'
import { createRedisLimiter } from '../../limits/redis-limiter.ts'
import { findRedisServer, type RunningRedis, startRedis } from '../../testing/redis-server.ts'
import { type Answer, call, startGateway } from '../harness.ts'
import { until } from '../until.ts'

/** Limits while Redis is down: it refuses connections, or accepts them and hangs. */

const WAYS = {
  stopped: {
    leave: (redis: RunningRedis) => redis.stop(),
    comeBack: (redis: RunningRedis) => redis.start()
  },
  hanging: {
    leave: async (redis: RunningRedis) => redis.pause(),
    comeBack: async (redis: RunningRedis) => redis.resume()
  }
}

for (const [way, { leave, comeBack }] of Object.entries(WAYS)) {
  t.test(`with Redis ${way}, the onRedisDown of each tier applies until Redis is back`, async t => {
    const redis = await startRedis(t)
    const gateway = await startTiers(t, redis.url)
    const other = await startTiers(t, redis.url)
    for (const tier of ['open', 'closed', 'local']) {
      const answer = await ask(gateway, tier, newAddress())
      t.equal(answer.status, 200)
      t.equal(answer.headers.get('ratelimit'), `"${tier}";r=5;t=60`)
    }
    await leave(redis)

    const address = newAddress()
    const open = await Promise.all(Array.from({ length: 20 }, () => ask(gateway, 'open', address)))
    for (const answer of open) {
      t.equal(answer.status, 200, 'open lets everything through')
      t.equal(answer.headers.get('ratelimit-policy'), '"open";q=6;w=60')
      t.equal(answer.headers.get('ratelimit'), null, 'and makes nothing up')
    }
    for (let i = 0; i < 3; i++) {
      const closed = await ask(gateway, 'closed', newAddress())
      t.equal(closed.status, 503, 'closed lets nothing through')
      t.match(closed.headers.get('content-type'), 'application/problem+json')
      t.match(closed.headers.get('retry-after'), /^[1-9]\d*$/)
      t.equal(closed.headers.get('ratelimit'), null)
      t.match(closed.json, {
        type: 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity',
        title: 'Limits cannot be checked at the moment',
        status: 503
      })
      t.notMatch(closed.text, /redis|127\.0\.0\.1|ECONN|at .*\.ts/i)
    }
    const local: number[] = []
    for (let i = 0; i < 4; i++) {
      const answer = await ask(gateway, 'local', address)
      local.push(answer.status)
      t.equal(answer.headers.get('ratelimit-policy'), '"local";q=3;w=60', 'local has its share of two')
      t.match(answer.headers.get('ratelimit'), `"local";r=${Math.max(0, 2 - i)};t=`)
    }
    t.strictSame(local, [200, 200, 200, 429])

    await comeBack(redis)
    for (const each of [gateway, other])
      await until(async () => (await ask(each, 'closed', newAddress())).status === 200)
    const shared = newAddress()
    t.match((await ask(gateway, 'local', shared)).headers.get('ratelimit'), '"local";r=5;')
    t.match((await ask(other, 'local', shared)).headers.get('ratelimit'), '"local";r=4;')
    t.match((await ask(gateway, 'open', shared)).headers.get('ratelimit'), '"open";r=5;')
  })

  t.test(`a gateway starts with Redis ${way}, and counts there once it is up`, async t => {
    const redis = await startRedis(t)
    await leave(redis)
    const gateway = await startTiers(t, redis.url)
    t.equal((await ask(gateway, 'closed', newAddress())).status, 503)
    t.match((await ask(gateway, 'local', newAddress())).headers.get('ratelimit'), '"local";r=2;t=60')
    await comeBack(redis)
    await until(async () => (await ask(gateway, 'closed', newAddress())).status === 200)
    const other = await startTiers(t, redis.url)
    const address = newAddress()
    t.match((await ask(gateway, 'closed', address)).headers.get('ratelimit'), '"closed";r=5;')
    t.match((await ask(other, 'closed', address)).headers.get('ratelimit'), '"closed";r=4;')
  })

  t.test(`a gateway closes with Redis ${way}`, async t => {
    const redis = await startRedis(t)
    const gateway = await startTiers(t, redis.url)
    t.equal((await ask(gateway, 'closed', newAddress())).status, 200)
    await leave(redis)
    t.equal((await ask(gateway, 'closed', newAddress())).status, 503)
    const began = performance.now()
    await gateway.gateway.close()
    t.ok(performance.now() - began < 2_000)
  })
}

t.test('a connection that hangs is replaced', async t => {
  const redis = await startRedis(t)
  const gateway = await startTiers(t, redis.url)
  let hasClosed = false
  gateway.gateway.redis.once('close', () => {
    hasClosed = true
  })
  redis.pause()
  await until(async () => {
    t.equal((await ask(gateway, 'closed', newAddress())).status, 503)
    return hasClosed
  })
  redis.resume()
  await until(async () => (await ask(gateway, 'closed', newAddress())).status === 200)
})

t.test('a request waits 50 ms for Redis by default', async t => {
  const redis = await startRedis(t)
  const { redis: defaults } = resolveConfig({ default: { redis: { url: redis.url } } }, {})
  t.equal(defaults?.timeout, 50)
  for (const [timeout, least, most] of [
    [50, 45, 1_000],
    [600, 595, 2_000]
  ] as const) {
    const gateway = await startTiers(t, redis.url, timeout)
    await until(async () => (await ask(gateway, 'closed', newAddress())).status === 200)
    redis.pause()
    const began = performance.now()
    t.equal((await ask(gateway, 'closed', newAddress())).status, 503)
    const took = performance.now() - began
    t.ok(took > least && took < most, `${took} ms`)
    redis.resume()
  }
})

t.test('the first request of a new gateway is counted in Redis', async t => {
  const redis = await startRedis(t)
  for (let i = 0; i < 3; i++) {
    const gateway = await startTiers(t, redis.url)
    t.equal((await ask(gateway, 'closed', newAddress())).status, 200)
  }
})

t.test('the script is sent again after Redis lost it', async t => {
  const redis = await startRedis(t)
  const gateway = await startTiers(t, redis.url)
  const address = newAddress()
  for (const remaining of [5, 4, 3]) {
    const answer = await ask(gateway, 'closed', address)
    t.match(answer.headers.get('ratelimit'), `"closed";r=${remaining};`)
    await gateway.gateway.redis.script('FLUSH')
  }
})

t.test('a Redis that replies but cannot count is down until it can', async t => {
  const redis = await startRedis(t)
  const gateway = await startTiers(t, redis.url)
  const client = gateway.gateway.redis
  // Like a full Redis, it fails every check and replies to anything else. The probe must fail too.
  const address = newAddress()
  await client.set(`sluice:{address:${normalizeIP(address, 64)}}:closed:60000:sliding-window`, 'x', 'EX', 60)
  await client.set('sluice:{probe}:probe:1000:sliding-window', 'x', 'EX', 60)
  t.equal((await ask(gateway, 'closed', address)).status, 503)
  for (const end = performance.now() + 600; performance.now() < end; )
    t.equal((await ask(gateway, 'closed', newAddress())).status, 503)
  await client.del('sluice:{probe}:probe:1000:sliding-window')
  await until(async () => (await ask(gateway, 'closed', newAddress())).status === 200)
})

t.test('a gateway that was busy itself does not count Redis as late', async t => {
  // Without a relay, which would run in this process too.
  const url = findRedisServer() ? (await startRedis(t)).url : (process.env.REDIS_URL as string)
  const { check } = await startLimiter(t, url)
  const decided = check()
  // Checks are sent at the end of the turn.
  await new Promise(setImmediate)
  for (const end = performance.now() + 200; performance.now() < end; );
  t.match(await decided, [{ allowed: true, remaining: 5 }])
})

t.test('a closed limiter sends no more commands', async t => {
  const { url } = await startRedis(t)
  const { limiter, redis, check } = await startLimiter(t, url)
  let probes = 0
  Object.assign(redis, {
    async sluiceCheck() {
      probes++
      throw new Error('down')
    }
  })
  await t.rejects(check())
  probes = 0
  await until(async () => probes > 0)
  limiter.close()
  const before = probes
  // The time of two probes. A short wait can miss a fault, but not report a false one.
  await setTimeout(500)
  t.equal(probes, before)
})

/** A limiter without a gateway, with a timeout of 20 ms. */
async function startLimiter(t: Test, url: string) {
  const redis = new Redis(url, { retryStrategy: () => 20 })
  redis.on('error', () => {})
  const limiter = createRedisLimiter(redis, 20, pino({ level: 'silent' }))
  t.teardown(() => {
    limiter.close()
    redis.disconnect()
  })
  await redis.ping()
  const limits = [{ limit: 6, window: 60_000, algorithm: 'sliding-window' as const }]
  const tier = createTier('free', { onRedisDown: 'closed', counting: 'exact', limits })
  const address = newAddress()
  const check = () =>
    new Promise<Decision | undefined>((resolve, reject) =>
      limiter.check(address, tier, 1, (error, decision) => (error ? reject(error) : resolve(decision)))
    )
  return { limiter, redis, check }
}

/** One of two gateways, with a scope for each `onRedisDown`. A long timeout, so that a busy machine is not an outage. */
async function startTiers(t: Test, url: string, timeout = 500) {
  const routes = async (scope: FastifyInstance) => {
    scope.get('/', async () => 'ok')
  }
  const scope = (tier: 'open' | 'closed' | 'local') =>
    [tier, { prefix: `/${tier}`, routes, rateLimit: { address: tier } }] as const
  const tier = (onRedisDown: 'open' | 'closed' | 'local') => ({
    onRedisDown,
    limits: [{ limit: 6, window: 60_000 }]
  })
  return startGateway(t, {
    trustProxy: ['127.0.0.1'],
    redis: { url, timeout },
    rateLimit: { gateways: 2 },
    tiers: { open: tier('open'), closed: tier('closed'), local: tier('local') },
    scopes: Object.fromEntries([scope('open'), scope('closed'), scope('local')])
  })
}

/** Fails far below the times of ioredis and Redis, and far above those of the gateway. */
async function ask({ url }: { url: string }, tier: string, address: string): Promise<Answer> {
  const began = performance.now()
  const answer = await call(`${url}/${tier}`, { headers: { 'x-forwarded-for': address } })
  const took = performance.now() - began
  if (took > 2_000) throw new Error(`answered after ${took} ms`)
  return answer
}

/** An unused address: Redis may have keys of earlier runs. */
function newAddress(): string {
  const part = () => Math.floor(Math.random() * 65_536).toString(16)
  return `2001:db8:${part()}:${part()}::1`
}
