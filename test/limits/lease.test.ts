import t from 'tap'
import { createLeasedLimiter } from '../../limits/lease.ts'
import { createTier, type Decision, type Limiter, type Tier } from '../../limits/limiter.ts'
import { createMemoryLimiter } from '../../limits/memory-limiter.ts'

/** Some gateways before one limiter that all of them share, on a clock that the test turns. */
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

/** Leased although it is a log, so that what passes beyond the limit is the leases' doing alone. */
const tierOf = (limit: number, window: number, counting: 'leased' | 'exact' = 'leased'): Tier => ({
  ...createTier('t', {
    counting,
    onRedisDown: 'local',
    limits: [{ limit, window, algorithm: 'sliding-log' }]
  }),
  counting
})

const allowed = (decision: Decision) => decision.every(state => state.allowed)

/** The most that was let through within any window of that length. */
function mostWithin(times: number[], window: number): number {
  let most = 0
  let first = 0
  times.forEach((time, i) => {
    while ((times[first] as number) <= time - window) first++
    most = Math.max(most, i - first + 1)
  })
  return most
}

t.test('the shared limiter sees a few percent of the requests of a busy key', async t => {
  const { ask, calls, turn } = start(1)
  const tier = tierOf(10_000, 60_000)
  for (let i = 0; i < 6_000; i++) {
    t.ok(allowed(ask(0, tier))) || t.bailout('refused')
    turn(10)
  }
  t.ok(calls() / 6_000 < 0.05, `${calls()} calls`)
})

t.test('a low limit is exact, and so is `exact`', async t => {
  for (const tier of [tierOf(100, 60_000), tierOf(10_000, 60_000, 'exact')]) {
    const gateways = start(3)
    const limit = tier.limits[0]?.limit as number
    let passed = 0
    for (let i = 0; i < limit * 1.5; i++) if (allowed(gateways.ask(i % 3, tier))) passed++
    t.equal(passed, limit)
  }
})

t.test('what passes in any window is at most the limit and a lease for each gateway', async t => {
  // Seeded, so that a failure can be looked at.
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
      // One and a half times the limit, in bursts and lulls, over ten windows.
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

t.test('a key that was refused is refused without asking, until its time is up', async t => {
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

t.test('permits are good although no more are to be had', async t => {
  const { ask, turn } = start(2)
  const tier = tierOf(10_000, 60_000)
  let passed = 0
  for (let i = 0; i < 3_000; i++) {
    if (allowed(ask(0, tier))) passed++
    turn(1)
  }
  // Somebody else takes all that is left.
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

t.test('keys that come once push out no lease', async t => {
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

t.test('permits that are not used lapse', async t => {
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

t.test('what is said to be left includes the permits at hand, and never more than the limit', async t => {
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
  'a request that has a permit does not wait for the shared limiter, and one that has none gets its error',
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

t.test('a sliding log is counted exactly, whatever its tier says', async t => {
  const limits = [{ limit: 10_000, window: 60_000, algorithm: 'sliding-log' as const }]
  t.equal(createTier('t', { counting: 'leased', onRedisDown: 'local', limits }).counting, 'exact')
})
