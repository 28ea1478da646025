import type { Decision, Limiter, Tier } from './limiter.ts'
import type { MemoryLimiter } from './memory.ts'

/**
 * Limits in memory for as long as Redis (or the supervisor) is unavailable, going on from what it last said of each key:
 * a pause must not give anybody a second quota. Each of `sharers` processes lets through its share of what was left; of
 * a key that it knows nothing of, its share of the limit.
 *
 * Bound: with one process a limit is kept. With N of them, each knows only its own last answer, and shares are rounded
 * up, so that at most (N - 1) / N of the limit and N - 1 can pass on top, once an outage.
 *
 * What is let through is charged when Redis is back. Bounded: `keys` at most are remembered, and charged.
 */
export interface Standby extends Limiter {
  /** Takes note of an answer. */
  remember(key: string, tier: Tier, cost: number, decision: Decision): void
  /** Takes note that a check that was decided here has been counted in Redis after all. */
  isCounted(key: string, tier: Tier, cost: number): void
  /** Up to `max` keys with what has been let through here; they are forgotten. */
  takeCharges(max: number): Charge[]
  /** The tier as this process counts it. */
  shareOf(tier: Tier): Tier
}

export interface Charge {
  key: string
  tier: Tier
  /** Of each limit: what has been let through within its window. */
  costs: number[]
}

export interface StandbyOptions {
  memory: MemoryLimiter
  /** Tiers with their limits divided by `sharers`. */
  shares: Map<Tier, Tier>
  sharers: number
  keys: number
  /** Milliseconds of a monotonic clock. */
  now?: () => number
}

export function createStandby({
  memory,
  shares,
  sharers,
  keys,
  now = () => performance.now()
}: StandbyOptions): Standby {
  const uses = new Map<string, Use>()

  return {
    shareOf,
    check(key, tier, cost, callback) {
      memory.check(key, shareOf(tier), cost, (error, decision) => {
        if (decision?.every(({ allowed }) => allowed)) use(key, tier, cost)
        callback(error, decision)
      })
    },
    remember(key, tier, cost, decision) {
      if (tier.redisAway !== 'local') return
      // Too much at a time says nothing of what is left.
      if (cost > 1 && !decision.every(({ allowed }) => allowed)) return
      const share = shareOf(tier)
      const used = decision.map(({ remaining }, i) =>
        Math.max(0, limitOf(share, i) - Math.ceil(remaining / sharers))
      )
      memory.adopt(key, share, used, decision)
    },
    isCounted(key, tier, cost) {
      uses.get(idOf(key, tier))?.take(cost)
    },
    takeCharges(max) {
      const charges: Charge[] = []
      const time = now()
      for (const [id, use] of uses) {
        if (charges.length === max) break
        uses.delete(id)
        charges.push({ key: use.key, tier: use.tier, costs: use.costs(time) })
      }
      return charges
    }
  }

  function shareOf(tier: Tier): Tier {
    return shares.get(tier) ?? tier
  }

  function use(key: string, tier: Tier, cost: number): void {
    const id = idOf(key, tier)
    let known = uses.get(id)
    if (known === undefined) {
      if (uses.size >= keys) uses.delete(uses.keys().next().value as string)
      known = new Use(key, tier)
      uses.set(id, known)
    }
    known.add(cost, now())
  }
}

function limitOf({ limits }: Tier, i: number): number {
  return limits[i]?.limit as number
}

function idOf(key: string, { name }: Tier): string {
  return `${key}:${name}`
}

/** What has been let through of a key: for each limit in the window under way, and in the one before. */
class Use {
  readonly key: string
  readonly tier: Tier
  #windows: { start: number; current: number; previous: number }[]

  constructor(key: string, tier: Tier) {
    this.key = key
    this.tier = tier
    this.#windows = tier.limits.map(() => ({ start: Number.NEGATIVE_INFINITY, current: 0, previous: 0 }))
  }

  add(cost: number, now: number): void {
    this.#turn(now)
    for (const window of this.#windows) window.current += cost
  }

  take(cost: number): void {
    for (const window of this.#windows) window.current = Math.max(0, window.current - cost)
  }

  /** As the sliding windows of memory.ts count it. */
  costs(now: number): number[] {
    this.#turn(now)
    return this.#windows.map(({ start, current, previous }, i) => {
      const left = 1 - (now - start) / this.#lengthOf(i)
      return current + Math.ceil(previous * left)
    })
  }

  #turn(now: number): void {
    this.#windows.forEach((window, i) => {
      const length = this.#lengthOf(i)
      if (now - window.start >= length * 2) Object.assign(window, { start: now, current: 0, previous: 0 })
      else if (now - window.start >= length) {
        window.start += length
        window.previous = window.current
        window.current = 0
      }
    })
  }

  #lengthOf(i: number): number {
    return this.tier.limits[i]?.window as number
  }
}
