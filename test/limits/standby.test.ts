import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { buildAdmin } from '../../admin/admin.ts'
import { limitStatus } from '../../limits/limit-status.ts'
import { createTier, type Decision, divideLimits, type Limiter, type Tier } from '../../limits/limiter.ts'
import { createMemoryLimiter } from '../../limits/memory-limiter.ts'
import { createStandby } from '../../limits/standby.ts'
import { startRedis } from '../../testing/redis-server.ts'
import { call, startGateway } from '../harness.ts'
import { until } from '../until.ts'

/** `local` tiers continue from the last decision of Redis, and Redis from what passed meanwhile. */

const ALGORITHMS = ['sliding-window', 'sliding-log'] as const

for (const algorithm of ALGORITHMS) {
  t.test(`an outage of Redis gives no client a second quota (${algorithm})`, async t => {
    const redis = await startRedis(t)
    const { ask, isBack } = await start(t, redis.url, { limit: 5, algorithm })
    t.strictSame(await ask(2), [200, 200])
    redis.pause()
    t.strictSame(await ask(4), [200, 200, 200, 429], 'three were left')
    redis.resume()
    await until(isBack)
    t.strictSame(await ask(2), [429, 429], 'Redis has been told')
  })

  t.test(`requests left after an outage are still there (${algorithm})`, async t => {
    const redis = await startRedis(t)
    const { ask, isBack } = await start(t, redis.url, { limit: 6, algorithm })
    t.strictSame(await ask(2), [200, 200])
    for (let i = 0; i < 2; i++) {
      redis.pause()
      t.strictSame(await ask(1), [200])
      redis.resume()
      await until(isBack)
    }
    t.strictSame(await ask(3), [200, 200, 429])
  })

  t.test(`a consumer that Redis rejected stays rejected when Redis stops (${algorithm})`, async t => {
    const redis = await startRedis(t)
    const { ask, retryAfter } = await start(t, redis.url, { limit: 2, algorithm })
    t.strictSame(await ask(3), [200, 200, 429])
    const before = await retryAfter()
    await redis.stop()
    const after = await retryAfter()
    t.ok(after <= before && after > before - 20, `${after} s after ${before} s`)
  })

  t.test(`before and during an outage no window exceeds the limit (${algorithm})`, t => {
    for (const sharers of [1, 3]) {
      const clock = createTestClock()
      const { tier, redis, standby } = createPair({ limit: 20, algorithm }, sharers, clock.now)
      const passed: number[] = []
      for (let round = 0; round < 300; round++) {
        const limiter = round % 3 === 0 ? standby : redis
        for (let i = 0; i < 9; i++) {
          if (isAllowed(decide(limiter, tier))) passed.push(clock.now())
          clock.pass(1 + ((round * 7 + i * 131) % 2_000))
        }
        if (round % 3 === 0)
          for (const { costs } of standby.takeCharges(10))
            for (let n = 0; n < (costs[0] as number); n++) redis.charge()
      }
      const most = mostWithin(passed, 60_000)
      // A counter approximates: up to two limits less two (docs/limit.md).
      t.ok(most <= (algorithm === 'sliding-log' ? 20 : 38), `${most} with ${sharers}`)
      t.ok(passed.length > 300, `${passed.length} passed`)
    }
    t.end()
  })

  t.test(`a rejected client passes after its Retry-After (${algorithm})`, t => {
    const clock = createTestClock()
    const { tier, redis, standby } = createPair({ limit: 4, algorithm }, 1, clock.now)
    for (let i = 0; i < 4; i++) {
      decide(redis, tier)
      clock.pass(1_000)
    }
    const { reset } = decide(redis, tier)[0] as Decision[0]
    clock.pass(reset - 1)
    t.equal(decide(standby, tier)[0]?.reset, 1, 'a millisecond is left')
    clock.pass(1)
    t.ok(isAllowed(decide(standby, tier)))
    t.notOk(isAllowed(decide(standby, tier)))
    t.end()
  })
}

t.test('requests that passed within a window are charged', t => {
  const clock = createTestClock()
  const { tier, standby } = createPair({ limit: 100, algorithm: 'sliding-log' }, 1, clock.now)
  for (let i = 0; i < 10; i++) decide(standby, tier)
  clock.pass(90_000)
  for (let i = 0; i < 3; i++) decide(standby, tier)
  t.strictSame(standby.takeCharges(10), [{ key: 'ada', tier, costs: [3 + 5] }], 'of ten a half has slid out')
  t.strictSame(standby.takeCharges(10), [], 'once')
  decide(standby, tier)
  standby.isCounted('ada', tier, 1)
  t.strictSame(standby.takeCharges(10)[0]?.costs, [0], 'nothing that was counted after all')
  decide(standby, tier)
  clock.pass(120_000)
  t.strictSame(standby.takeCharges(10)[0]?.costs, [0], 'nothing that is long past')
  t.end()
})

t.test('remembered and charged keys are bounded', t => {
  const clock = createTestClock()
  const { tier, standby } = createPair({ limit: 5, algorithm: 'sliding-window' }, 1, clock.now, 10)
  for (let i = 0; i < 1_000; i++) decide(standby, tier, `key-${i}`)
  t.equal(standby.takeCharges(1_000).length, 10)
  t.end()
})

t.test('permits at hand when Redis stops are used, within what was left', async t => {
  const redis = await startRedis(t)
  const { ask, isBack } = await start(t, redis.url, { limit: 400, algorithm: 'sliding-window' })
  const count = (statuses: number[]) => statuses.filter(status => status === 200).length
  let passed = count(await ask(150))
  redis.pause()
  passed += count(await ask(100))
  redis.resume()
  await until(isBack)
  passed += count(await ask(300))
  // A lease is at most 1 % of what is left. Unused permits are lost.
  t.ok(passed <= 404 && passed >= 380, `${passed} of 400`)
})

t.test('operators see that limits are counted locally', async t => {
  const redis = await startRedis(t)
  const { ask, gateway } = await start(t, redis.url, { limit: 2, algorithm: 'sliding-window' })
  const metrics = async () => (await gateway.metrics?.metrics()) as string
  t.strictSame(await ask(1), [200])
  t.match(await metrics(), /^sluice_redis_up 1$/m)
  t.match(await metrics(), 'sluice_limit_decisions_total{tier="local",decision="allowed"} 1\n')
  await redis.stop()
  t.strictSame(await ask(2), [200, 429])
  t.equal((await call(`${gateway.listeningOrigin}/closed`)).status, 503)
  t.equal((await call(`${gateway.listeningOrigin}/open`)).status, 200)
  const text = await metrics()
  t.match(text, /^sluice_redis_up 0$/m)
  for (const [tier, decision, count] of [
    ['local', 'allowed', 1],
    ['local', 'local', 1],
    ['local', 'rejected', 1],
    ['closed', 'closed', 1],
    ['open', 'open', 1]
  ])
    t.match(text, `sluice_limit_decisions_total{tier="${tier}",decision="${decision}"} ${count}\n`)
  const admin = await buildAdmin(gateway, () => false)
  t.teardown(() => admin.close())
  const status = async () => (await admin.inject('/limits')).json()
  t.match(await status(), {
    store: 'redis',
    state: 'unavailable',
    reason: /ECONN|connect/i,
    tiers: [{ name: 'open' }, { name: 'closed' }, { name: 'local', decisions: { allowed: 1, local: 1 } }]
  })
  await redis.start()
  await until(async () => /^sluice_redis_up 1$/m.test(await metrics()))
  t.match(await status(), { store: 'redis', state: 'up' })
  t.notOk('reason' in (await status()))
})

interface Kind {
  limit: number
  algorithm: (typeof ALGORITHMS)[number]
}

async function start(t: Test, url: string, { limit, algorithm }: Kind) {
  const routes = async (scope: FastifyInstance) => {
    scope.get('/', async () => 'ok')
  }
  const limits = [{ limit, window: 60_000, algorithm }]
  const names = ['open', 'closed', 'local'] as const
  const started = await startGateway(t, {
    redis: { url, timeout: 250 },
    tiers: Object.fromEntries(names.map(onRedisDown => [onRedisDown, { onRedisDown, limits }])),
    scopes: Object.fromEntries(
      names.map(name => [name, { prefix: `/${name}`, routes, rateLimit: { address: name } }])
    )
  })
  const { gateway } = started
  const local = () => call(`${started.url}/local`)
  return {
    gateway,
    async ask(times: number) {
      const statuses: number[] = []
      for (let i = 0; i < times; i++) statuses.push((await local()).status)
      return statuses
    },
    retryAfter: async () => Number((await local()).headers.get('retry-after')),
    isBack: () => limitStatus(gateway).state === 'up'
  }
}

function createTestClock() {
  let time = 1_000_000
  return {
    now: () => time,
    pass(ms: number) {
      time += ms
    }
  }
}

/** A remote limiter and its standby on one clock. */
function createPair({ limit, algorithm }: Kind, sharers: number, now: () => number, keys = 1_000) {
  const options = {
    onRedisDown: 'local' as const,
    counting: 'exact' as const,
    limits: [{ limit, window: 60_000, algorithm }]
  }
  const tier = createTier('free', options)
  const shares = new Map([[tier, createTier('free', divideLimits(options, sharers))]])
  const counter = createMemoryLimiter(keys, now)
  const standby = createStandby({ memory: createMemoryLimiter(keys, now), shares, sharers, keys, now })
  const wide = createTier('free', { ...options, limits: [{ limit: 1_000_000, window: 60_000, algorithm }] })
  return {
    tier,
    standby,
    redis: {
      check(key, tier, cost, callback) {
        counter.check(key, tier, cost, (error, decision) => {
          standby.remember(key, tier, cost, decision as Decision)
          callback(error, decision)
        })
      },
      /** Counts a request beyond the limit. */
      charge: () => counter.check('ada', wide, 1, () => {})
    } satisfies Limiter & { charge(): void }
  }
}

function decide(limiter: Limiter, tier: Tier, key = 'ada'): Decision {
  let answer: Decision = []
  limiter.check(key, tier, 1, (_error, decision = []) => {
    answer = decision
  })
  return answer
}

function isAllowed(decision: Decision): boolean {
  return decision.every(({ allowed }) => allowed)
}

/** Returns the most requests that passed within any window of that length. */
function mostWithin(times: number[], window: number): number {
  return Math.max(...times.map(time => times.filter(one => one >= time && one < time + window).length))
}
