import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { createTier, type Decision, type Limiter, type Tier } from '../../limits/limiter.ts'
import { createMemoryLimiter } from '../../limits/memory-limiter.ts'
import { createRedisLimiter } from '../../limits/redis-limiter.ts'
import type { LimitOptions } from '../../schemas/options/rate-limit.ts'
import { startRedis } from '../../testing/redis-server.ts'

/** Guarantees of the memory and the Redis limiter, at times that the test chooses. */

type Algorithm = LimitOptions['algorithm']

interface Clocked {
  /** Checks a request that comes at `time` (ms). */
  check(time: number, key: string, tier: Tier, cost?: number): Promise<Decision>
}

const ALGORITHMS: Algorithm[] = ['sliding-window', 'sliding-log']
const LIMITERS = { memory: startMemory, Redis: startScript }

for (const [place, start] of Object.entries(LIMITERS)) {
  t.test(`in ${place}, a log never exceeds its limit in any window`, async t => {
    const limiter = await start(t)
    const random = randomOf(7)
    const tier = tierOf([10, 60_000, 'sliding-log'])
    const admitted: number[] = []
    for (
      let time = NOON;
      time < NOON + 30 * 60_000;
      time += random() < 0.8 ? random() * 400 : random() * 90_000
    ) {
      if (isAllowed(await limiter.check(Math.floor(time), 'ada', tier))) admitted.push(Math.floor(time))
    }
    t.ok(admitted.length > 100, 'many were let through')
    t.equal(mostInAnyWindow(admitted, 60_000), 10)
  })

  t.test(`in ${place}, a counter holds its limit within 1 % under steady load`, async t => {
    const limiter = await start(t)
    const limit = 200
    const window = 60_000
    const tier = tierOf([limit, window, 'sliding-window'])
    for (const load of [0.5, 0.99, 1, 1.3, 3]) {
      // Starts anywhere in a minute of the clock.
      const begin = NOON + Math.floor(31_337 * load)
      const admitted: number[] = []
      for (let i = 0; i < 4 * limit * load; i++) {
        const time = Math.floor(begin + (i * window) / (limit * load))
        if (isAllowed(await limiter.check(time, `load ${load}`, tier))) admitted.push(time)
      }
      t.ok(mostInAnyWindow(admitted, window) <= limit * 1.01, `no window has more at ${load} times the limit`)
      for (const nth of [1, 2, 3]) {
        const { length } = admitted.filter(time => Math.floor((time - begin) / window) === nth)
        t.ok(
          length >= limit * Math.min(load, 1) * 0.99,
          `nor has one less: ${length} at ${load} times the limit`
        )
      }
    }
  })

  for (const algorithm of ALGORITHMS) {
    t.test(`in ${place}, a ${algorithm} does not let two bursts pass around a boundary`, async t => {
      const limiter = await start(t)
      const tier = tierOf([10, 1_000, algorithm])
      // For windows that start with the clock's second, and with the first request.
      for (const first of [NOON + 990, NOON + 10_000]) {
        const admitted: number[] = []
        for (const time of [first, ...burst(first + 985), ...burst(first + 1_000)])
          if (isAllowed(await limiter.check(time, `${first}`, tier))) admitted.push(time)
        t.ok(admitted.length >= 10)
        t.ok(mostInAnyWindow(admitted, 1_000) <= 10, `${admitted.length} of 41`)
      }
    })

    t.test(`in ${place}, a ${algorithm} allows a request exactly after its reset`, async t => {
      const limiter = await start(t)
      const random = randomOf(11)
      for (const [limit, window] of [
        [1, 60_000],
        [3, 61_000],
        [10, 60_000],
        [997, 3_600_000]
      ] as const) {
        const tier = tierOf([limit, window, algorithm])
        const key = `${limit}`
        let time = NOON
        for (let i = 0; i < 150; i++) {
          time += Math.floor((random() * 2.2 * window) / limit)
          const cost = random() < 0.7 ? 1 : Math.ceil(random() * limit)
          const [state] = await limiter.check(time, key, tier, cost)
          if (state?.allowed) continue
          const reset = state?.reset as number
          if (reset > 1)
            t.notOk(isAllowed(await limiter.check(time + reset - 1, key, tier, cost)), 'not before')
          time += reset
          if (!isAllowed(await limiter.check(time, key, tier, cost))) return t.fail(`not after ${reset} ms`)
        }
      }
    })

    t.test(`in ${place}, a ${algorithm} counts down to zero in whole numbers`, async t => {
      const limiter = await start(t)
      const tier = tierOf([3, 60_000, algorithm])
      const remaining: unknown[] = []
      for (let i = 0; i < 5; i++) {
        const [state] = await limiter.check(NOON + i, 'ada', tier)
        remaining.push([state?.allowed, state?.remaining, state?.reset])
      }
      const wait = algorithm === 'sliding-log' ? 60_000 : 80_000
      t.strictSame(remaining, [
        [true, 2, 60_000],
        [true, 1, 59_999],
        [true, 0, 59_998],
        [false, 0, wait - 3],
        [false, 0, wait - 4]
      ])
    })

    t.test(`in ${place}, a ${algorithm} rejects a cost beyond the limit and does not count it`, async t => {
      const limiter = await start(t)
      const tier = tierOf([5, 60_000, algorithm])
      for (const key of ['unseen', 'seen', 'before']) {
        if (key === 'before') await limiter.check(NOON - 61_000, key, tier, 5)
        if (key === 'seen') await limiter.check(NOON, key, tier, 5)
        const [state] = await limiter.check(NOON, key, tier, 6)
        t.match(state, { allowed: false, remaining: 0 })
        t.ok(Number.isInteger(state?.reset) && (state?.reset as number) > 0, `${key}: ${state?.reset} ms`)
      }
      t.strictSame(await limiter.check(NOON + 1, 'unseen', tier, 5), [
        { allowed: true, remaining: 0, reset: 60_000 }
      ])
    })
  }

  t.test(`in ${place}, a full window slides out one by one, to the millisecond`, async t => {
    const limiter = await start(t)
    const tier = tierOf([125, 60_000, 'sliding-window'])
    await limiter.check(NOON, 'ada', tier, 125)
    const wrong: number[] = []
    for (let nth = 1; nth <= 125; nth++) {
      const time = NOON + 60_000 + nth * 480
      if (isAllowed(await limiter.check(time - 1, 'ada', tier))) wrong.push(nth)
      if (!isAllowed(await limiter.check(time, 'ada', tier))) wrong.push(nth)
    }
    t.strictSame(wrong, [])
  })

  t.test(`in ${place}, the largest limits of a config are exact`, async t => {
    const limiter = await start(t)
    const limit = 1_000_000_000
    const tier = tierOf([limit, 2_678_400_000, 'sliding-window'])
    t.match(await limiter.check(NOON, 'ada', tier, limit - 1), [{ allowed: true, remaining: 1 }])
    t.match(await limiter.check(NOON, 'ada', tier, 2), [{ allowed: false, remaining: 0 }])
    t.match(await limiter.check(NOON, 'ada', tier), [{ allowed: true, remaining: 0, reset: 2_678_400_000 }])
    t.match(await limiter.check(NOON + 2_678_400_000, 'ada', tier), [{ allowed: false, remaining: 0 }])
    t.match(await limiter.check(NOON + 2_678_400_003, 'ada', tier), [{ allowed: true, remaining: 0 }])
  })

  t.test(`in ${place}, a request that one limit rejects does not count for the others`, async t => {
    const limiter = await start(t)
    const tier = tierOf(
      [2, 1_000, 'sliding-window'],
      [9, 60_000, 'sliding-log'],
      [8, 3_600_000, 'sliding-window']
    )
    const left = (decision: Decision) => decision.map(({ remaining }) => remaining)
    t.strictSame(left(await limiter.check(NOON, 'ada', tier)), [1, 8, 7])
    t.strictSame(left(await limiter.check(NOON, 'ada', tier)), [0, 7, 6])
    for (let i = 0; i < 20; i++) t.strictSame(left(await limiter.check(NOON, 'ada', tier)), [0, 7, 6])
    t.strictSame(left(await limiter.check(NOON + 5_000, 'ada', tier)), [1, 6, 5])
    // The other way around: the last limit rejects, and the first counts nothing.
    t.strictSame(left(await limiter.check(NOON + 10_000, 'ada', tier, 2)), [0, 4, 3])
    t.strictSame(left(await limiter.check(NOON + 15_000, 'ada', tier, 2)), [0, 2, 1])
    for (let i = 0; i < 20; i++) {
      const decision = await limiter.check(NOON + 20_000, 'ada', tier, 2)
      t.strictSame(
        decision.map(({ allowed }) => allowed),
        [true, true, false]
      )
      t.strictSame(left(decision), [2, 2, 0])
    }
    t.strictSame(left(await limiter.check(NOON + 20_000, 'ada', tier)), [1, 1, 0])
  })
}

for (const [place, start] of Object.entries(LIMITERS))
  for (const algorithm of ALGORITHMS)
    t.test(`in ${place}, a ${algorithm} keeps its counters when its limit changes`, async t => {
      const limiter = await start(t)
      for (const [limit, left] of [
        [5, 4],
        [3, 1],
        [9, 6],
        [4, 0],
        [2, 0]
      ] as const) {
        const [state] = await limiter.check(NOON, 'ada', tierOf([limit, 60_000, algorithm]))
        t.match(state, { allowed: limit !== 2, remaining: left })
      }
    })

/*
 * The script takes the time from Redis, which would allow only few and inexact comparisons in real time. So the test replaces
 * `TIME`, and nothing else: the script, its reply and its keys are real. Windows last a minute or more, so that no key
 * expires during the test.
 */
t.test('memory and Redis decide alike for random requests', async t => {
  const memory = await startMemory()
  const redis = await startScript(t)
  const random = randomOf(1)
  const tiers = [
    tierOf([5, 60_000, 'sliding-window']),
    tierOf([5, 60_000, 'sliding-log']),
    tierOf([1, 60_000, 'sliding-window']),
    tierOf([7, 60_000, 'sliding-log'], [30, 600_000, 'sliding-window'], [100, 3_600_000, 'sliding-log']),
    tierOf([1_000_000_000, 2_678_400_000, 'sliding-window'], [13, 90_000, 'sliding-window'])
  ]
  const outcomes = { allowed: 0, refused: 0 }
  for (const tier of tiers) {
    const window = tier.limits[0]?.window as number
    let time = NOON
    for (let i = 0; i < 700; i++) {
      // Mostly close together, sometimes one or three windows later. Eighths of a millisecond are exact in both.
      const pace = random()
      time += Math.floor(8 * random() * (pace < 0.2 ? 0 : pace < 0.9 ? window / 12 : window * 3)) / 8
      const key = `${tiers.indexOf(tier)}-${Math.floor(random() * 3)}`
      const cost = random() < 0.8 ? 1 : Math.ceil(random() * 9)
      const expected = await memory.check(time, key, tier, cost)
      const found = await redis.check(time, key, tier, cost)
      outcomes[isAllowed(expected) ? 'allowed' : 'refused']++
      if (JSON.stringify(found) !== JSON.stringify(expected))
        return t.strictSame(found, expected, `${tier.policy}: request ${i}`)
    }
  }
  t.ok(Math.min(outcomes.allowed, outcomes.refused) > 500, 'both happened often')
})

for (const algorithm of ALGORITHMS) {
  t.test(`after a Redis clock was set back by an hour, a ${algorithm} still lets requests pass`, async t => {
    const redis = await startScript(t)
    const tier = tierOf([2, 60_000, algorithm])
    await redis.check(NOON, 'ada', tier, 2)
    t.notOk(isAllowed(await redis.check(NOON - 100, 'ada', tier)), 'a little goes unnoticed')
    t.ok(isAllowed(await redis.check(NOON - 3_600_000, 'ada', tier, 2)))
    t.notOk(isAllowed(await redis.check(NOON - 3_600_000, 'ada', tier)))
  })
}

for (const algorithm of ALGORITHMS) {
  t.test(
    `a Redis clock that is set back within a window makes no client wait longer (${algorithm})`,
    async t => {
      const redis = await startScript(t)
      const hour = 3_600_000
      const tier = tierOf([2, hour, algorithm])
      await redis.check(NOON, 'ada', tier, 2)
      const before = NOON - hour + 60_000
      const refused = await redis.check(before, 'ada', tier)
      t.notOk(isAllowed(refused))
      const reset = refused[0]?.reset as number
      // For a counter, one of the two requests must slide out of the next window.
      t.ok(reset <= (algorithm === 'sliding-log' ? hour : hour * 1.5), `${reset} ms`)
      t.notOk(isAllowed(await redis.check(before + reset - 1, 'ada', tier)))
      t.ok(isAllowed(await redis.check(before + reset, 'ada', tier)))
    }
  )
}

t.test('a limit with another algorithm or window starts at zero in Redis', async t => {
  const redis = await startScript(t)
  for (const limit of [
    [1, 60_000, 'sliding-window'],
    [1, 60_000, 'sliding-log'],
    [1, 61_000, 'sliding-log'],
    [1, 61_000, 'sliding-window']
  ] as const) {
    t.ok(isAllowed(await redis.check(NOON, 'ada', tierOf(limit))))
    t.notOk(isAllowed(await redis.check(NOON, 'ada', tierOf(limit))))
  }
})

t.test('memory keeps its maximum of keys and drops the least recently used', async t => {
  const memory = createMemoryLimiter(100, () => NOON)
  const tier = tierOf([1, 60_000, 'sliding-window'])
  const check = (key: number) => isAllowed(decide(memory, `${key}`, tier, 1))
  for (let key = 0; key < 10_000; key++) check(key)
  for (let key = 9_900; key < 10_000; key++) t.notOk(check(key), 'the last hundred are known')
  t.ok(check(9_899), 'the one before them is not')
  t.ok(check(9_900), 'and has taken the place of the oldest')
  t.notOk(check(9_902))
})

const NOON = Date.UTC(2026, 10, 24, 12)

function tierOf(...limits: (readonly [limit: number, window: number, algorithm: Algorithm])[]): Tier {
  return createTier('free', {
    onRedisDown: 'closed',
    counting: 'exact',
    limits: limits.map(([limit, window, algorithm]) => ({ limit, window, algorithm }))
  })
}

async function startMemory(): Promise<Clocked> {
  let now = 0
  const limiter = createMemoryLimiter(1_000, () => now)
  return {
    async check(time, key, tier, cost = 1) {
      now = time
      return decide(limiter, key, tier, cost)
    }
  }
}

/** The real Redis limiter and its script, with a clock that the test sets. */
async function startScript(t: Test): Promise<Clocked> {
  const { url } = await startRedis(t)
  const redis = new Redis(url)
  t.teardown(() => redis.disconnect())
  const run = randomUUID()
  const clock = `
    local server = redis
    local redis = {
      call = function(command, ...)
        if command ~= 'TIME' then return server.call(command, ...) end
        local micros = server.call('GET', 'clock-${run}')
        return { string.sub(micros, 1, -7), string.sub(micros, -6) }
      end
    }`
  const define = redis.defineCommand.bind(redis)
  redis.defineCommand = (name, { lua, ...options }) => define(name, { lua: clock + lua, ...options })
  const limiter = createRedisLimiter(redis, 10_000, pino({ level: 'silent' }))
  t.teardown(() => limiter.close())
  return {
    async check(time, key, tier, cost = 1) {
      redis.set(`clock-${run}`, time * 1000, 'EX', 3_600)
      return new Promise((resolve, reject) =>
        limiter.check(`${run}:${key}`, tier, cost, (error, decision) =>
          error ? reject(error) : resolve(decision as Decision)
        )
      )
    }
  }
}

function decide(limiter: Limiter, key: string, tier: Tier, cost: number): Decision {
  let decided: Decision | undefined
  limiter.check(key, tier, cost, (_error, decision) => {
    decided = decision
  })
  return decided as Decision
}

function isAllowed(decision: Decision): boolean {
  return decision.every(({ allowed }) => allowed)
}

function burst(time: number): number[] {
  return Array.from({ length: 20 }, (_, i) => time + Math.floor(i / 4))
}

/** Returns the most of the ascending times that are within any window. */
function mostInAnyWindow(times: number[], window: number): number {
  let from = 0
  let most = 0
  times.forEach((time, to) => {
    while ((times[from] as number) <= time - window) from++
    most = Math.max(most, to - from + 1)
  })
  return most
}

/** Mulberry32: the same numbers for the same seed. */
function randomOf(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let bits = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
}
