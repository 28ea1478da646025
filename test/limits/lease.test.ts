import { mock } from 'node:test'
import t from 'tap'
import { createLeasedLimiter } from '../../limits/lease.ts'
import { createTier, type Decision, type Limiter, type Tier } from '../../limits/limiter.ts'
import { createMemoryLimiter } from '../../limits/memory-limiter.ts'

/** Gateways with leases of one shared limiter, on a clock that the test advances. */
function start(gateways: number) {
  let time = 1_000_000
  let calls = 0
  const shared = createMemoryLimiter(100_000, () => time)
  const counting: Limiter = {
    check(...args) {
      calls++
      shared.check(...args)
    }
  }
  const leased = Array.from({ length: gateways }, () => createLeasedLimiter(counting, () => time))
  return {
    calls: () => calls,
    time: () => time,
    turn(milliseconds: number) {
      time += milliseconds
    },
    ask(gateway: number, tier: Tier, key = 'k'): Decision {
      let answer: Decision | undefined
      ;(leased[gateway] as Limiter).check(key, tier, 1, (_error, decision) => {
        answer = decision
      })
      return answer as Decision
    }
  }
}

/** A leased log, so that only leases can exceed the limit. */
const tierOf = (limit: number, window: number, counting: 'leased' | 'exact' = 'leased'): Tier => ({
  ...createTier('t', {
    counting,
    onRedisDown: 'local',
    limits: [{ limit, window, algorithm: 'sliding-log' }]
  }),
  counting
})

const allowed = (decision: Decision) => decision.every(state => state.allowed)

/** Returns the most requests that passed within any window of that length. */
function mostWithin(times: number[], window: number): number {
  let most = 0
  let first = 0
  times.forEach((time, i) => {
    while ((times[first] as number) <= time - window) first++
    most = Math.max(most, i - first + 1)
  })
  return most
}

t.test('the shared limiter gets a few percent of the requests of a busy key', async t => {
  const { ask, calls, turn } = start(1)
  const tier = tierOf(10_000, 60_000)
  for (let i = 0; i < 6_000; i++) {
    t.ok(allowed(ask(0, tier))) || t.bailout('refused')
    turn(10)
  }
  t.ok(calls() / 6_000 < 0.05, `${calls()} calls`)
})

t.test('low limits and `exact` tiers are exact', async t => {
  for (const tier of [tierOf(100, 60_000), tierOf(10_000, 60_000, 'exact')]) {
    const gateways = start(3)
    const limit = tier.limits[0]?.limit as number
    let passed = 0
    for (let i = 0; i < limit * 1.5; i++) if (allowed(gateways.ask(i % 3, tier))) passed++
    t.equal(passed, limit)
  }
})

t.test('at most the limit plus one lease per gateway passes in any window', async t => {
  // Seeded, so that a failure can be repeated.
  let seed = 42
  const random = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    return seed / 2 ** 31
  }
  for (const gateways of [1, 2, 4, 8]) {
    for (const skewed of [false, true]) {
      const shared = start(gateways)
      const [limit, window] = [2_000, 10_000]
      const tier = tierOf(limit, window)
      const times: number[] = []
      let asked = 0
      // 1.5 times the limit, in bursts and pauses, over ten windows.
      for (let i = 0; i < 30_000; i++) {
        const gateway = skewed && random() < 0.8 ? 0 : Math.floor(random() * gateways)
        asked++
        if (allowed(shared.ask(gateway, tier))) times.push(shared.time())
        if (random() < 0.02) shared.turn(Math.floor(random() * 330))
      }
      const most = mostWithin(times, window)
      t.ok(
        most <= limit + gateways * (limit / 100),
        `${gateways} gateways, ${skewed ? 'skewed' : 'even'}: ${most} of ${limit}`
      )
      t.comment(
        `${gateways} gateways, ${skewed ? 'skewed' : 'even'}: at most ${most} of ${limit} in a window, ${((shared.calls() / asked) * 100).toFixed(1)} calls for 100 requests`
      )
    }
  }
})

t.test('a rejected key is rejected without asking until its time is up', async t => {
  const { ask, calls, turn } = start(1)
  const tier = tierOf(2, 10_000)
  ask(0, tier)
  ask(0, tier)
  turn(4_000)
  const [first] = ask(0, tier)
  t.match(first, { allowed: false, remaining: 0, reset: 6_000 })
  const before = calls()
  turn(1_000)
  for (let i = 0; i < 100; i++) t.match(ask(0, tier)[0], { allowed: false, reset: 5_000 })
  t.equal(calls(), before)
  turn(5_000)
  t.ok(allowed(ask(0, tier)))
})

t.test('permits stay valid when the limit has no more', async t => {
  const { ask, turn } = start(2)
  const tier = tierOf(10_000, 60_000)
  let passed = 0
  for (let i = 0; i < 3_000; i++) {
    if (allowed(ask(0, tier))) passed++
    turn(1)
  }
  // Another gateway takes all that is left.
  while (allowed(ask(1, tierOf(10_000, 60_000, 'exact')))) passed++
  let refused = 0
  for (let i = 0; i < 200; i++)
    if (!allowed(ask(0, tier))) refused++
    else {
      passed++
      t.equal(refused, 0, 'not after a refusal') || t.bailout()
    }
  t.equal(passed, 10_000)
})

t.test('keys that come once do not evict leases', async t => {
  const { ask, calls, turn } = start(1)
  const tier = tierOf(10_000, 60_000)
  for (let i = 0; i < 200; i++) {
    ask(0, tier)
    turn(10)
  }
  for (let i = 0; i < 20_000; i++) ask(0, tier, `once-${i}`)
  const before = calls()
  t.ok(allowed(ask(0, tier)))
  t.equal(calls(), before)
})

t.test('keys that run low within a few milliseconds take permits together', async t => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  let time = 1_000_000
  let calls = 0
  let turns = 0
  let isCounted = false
  const memory = createMemoryLimiter(1_000, () => time)
  const shared: Limiter = {
    check(...args) {
      calls++
      if (!isCounted) turns++
      isCounted = true
      memory.check(...args)
    }
  }
  const endTurn = () =>
    new Promise(resolve => setImmediate(resolve)).then(() => {
      isCounted = false
    })
  const leased = createLeasedLimiter(shared, () => time)
  const tier = tierOf(100_000, 10_000)
  const keys = Array.from({ length: 20 }, (_, i) => `k${i}`)
  for (let i = 0; i < 1_000; i++, time += 10) for (const key of keys) leased.check(key, tier, 1, () => {})
  await endTurn()
  calls = turns = 0
  // Each key in a turn of its own uses a tenth of its lease of 100, without waiting.
  for (let i = 0; i < 50; i++, time += 100) {
    for (const key of keys) {
      for (let n = 0; n < 10; n++)
        t.ok(leased.checkNow?.(key, tier, 1), `${key} waits`) || t.bailout(`in step ${i}`)
      await endTurn()
    }
    mock.timers.tick(10)
    await endTurn()
  }
  t.ok(calls >= keys.length * 5, `${calls} calls`)
  t.ok(turns <= calls / 10, `${calls} calls in ${turns} turns`)
})

t.test('unused permits lapse', async t => {
  const { ask, calls, turn } = start(1)
  const tier = tierOf(10_000, 60_000)
  for (let i = 0; i < 100; i++) {
    ask(0, tier)
    turn(10)
  }
  const before = calls()
  turn(60_000)
  ask(0, tier)
  t.equal(calls(), before + 1, 'a lease of the last minute is no lease')
})

t.test('the remaining number includes permits at hand and never exceeds the limit', async t => {
  const { ask, turn } = start(1)
  const tier = tierOf(10_000, 60_000)
  let last = 10_000
  for (let i = 0; i < 1_000; i++) {
    const [{ remaining }] = ask(0, tier) as [Decision[number]]
    t.ok(remaining < last && remaining >= 10_000 - i - 1) || t.bailout(`${remaining} after ${last}`)
    last = remaining
    turn(5)
  }
  t.equal(last, 9_000)
})

t.test(
  'a request with a permit does not wait for the shared limiter; a request without one gets its error',
  async t => {
    let time = 1_000_000
    const memory = createMemoryLimiter(1_000, () => time)
    let isHanging = false
    const shared: Limiter = { check: (...args) => isHanging || memory.check(...args) }
    const leased = createLeasedLimiter(shared, () => time)
    const tier = tierOf(10_000, 60_000)
    const ask = () => {
      let answered = false
      leased.check('k', tier, 1, () => {
        answered = true
      })
      return answered
    }
    for (let i = 0; i < 500; i++) {
      ask()
      time += 10
    }
    isHanging = true
    t.ok(ask())
    let answered = 0
    for (let i = 0; i < 200; i++) if (ask()) answered++
    t.ok(answered > 10 && answered < 200, `${answered} had a permit`)
  }
)

t.test('a tier with a sliding log is always exact', async t => {
  const limits = [{ limit: 10_000, window: 60_000, algorithm: 'sliding-log' as const }]
  t.equal(createTier('t', { counting: 'leased', onRedisDown: 'local', limits }).counting, 'exact')
})
