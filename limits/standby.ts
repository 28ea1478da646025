import { type Decision, isAllowed, type Limiter, type Tier } from './limiter.ts'
import type { MemoryLimiter } from './memory-limiter.ts'

/**
 * Counts limits in memory while Redis or the supervisor is down. Starts from the last decision for each key, so that an
 * outage gives no client a second quota. Each of `sharers` processes lets its share of what is left pass, or of the limit
 * for a key without a decision.
 *
 * Bound: one process keeps the limit. Each of N processes knows only its own last decision, and shares are rounded up, so
 * (N - 1) / N of the limit plus N - 1 requests can pass beyond the limit in each outage.
 *
 * Requests that pass are charged when Redis is up again, for up to `keys` keys.
 */
export interface Standby extends Limiter {
  /** Records a decision of Redis. */
  remember(key: string, tier: Tier, cost: number, decision: Decision): void
  /** Subtracts a request that passed here and was counted in Redis too. */
  isCounted(key: string, tier: Tier, cost: number): void
  /** Returns up to `max` keys with the requests that passed here, and removes them. */
  takeCharges(max: number): Charge[]
  /** Returns the tier with this process's share of the limits. */
  shareOf(tier: Tier): Tier
}

export interface Charge {
  key: string
  tier: Tier
  /** Requests that passed within the window of each limit. */
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
  const passed = new Map<string, PassedRequests>()

  return {
    shareOf,
    check(key, tier, cost, callback) {
      memory.check(key, shareOf(tier), cost, (error, decision) => {
        if (decision && isAllowed(decision)) addPassed(key, tier, cost)
        callback(error, decision)
      })
    },
    remember(key, tier, cost, decision) {
      if (tier.onRedisDown !== 'local') return
      // A rejected batch does not tell how much is left.
      if (cost > 1 && !isAllowed(decision)) return
      const share = shareOf(tier)
      const used = decision.map(({ remaining }, i) =>
        Math.max(0, limitOf(share, i) - Math.ceil(remaining / sharers))
      )
      memory.adopt(key, share, used, decision)
    },
    isCounted(key, tier, cost) {
      passed.get(idOf(key, tier))?.subtract(cost)
    },
    takeCharges(max) {
      const charges: Charge[] = []
      const time = now()
      for (const [id, each] of passed) {
        if (charges.length === max) break
        passed.delete(id)
        charges.push({ key: each.key, tier: each.tier, costs: each.costs(time) })
      }
      return charges
    }
  }

  function shareOf(tier: Tier): Tier {
    return shares.get(tier) ?? tier
  }

  function addPassed(key: string, tier: Tier, cost: number): void {
    const id = idOf(key, tier)
    let known = passed.get(id)
    if (known === undefined) {
      if (passed.size >= keys) passed.delete(passed.keys().next().value as string)
      known = new PassedRequests(key, tier)
      passed.set(id, known)
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

/** Requests of a key that passed in the current and the previous window of each limit. */
class PassedRequests {
  readonly key: string
  readonly tier: Tier
  #windows: { start: number; current: number; previous: number }[]

  constructor(key: string, tier: Tier) {
    this.key = key
    this.tier = tier
    this.#windows = tier.limits.map(() => ({ start: Number.NEGATIVE_INFINITY, current: 0, previous: 0 }))
  }

  add(cost: number, now: number): void {
    this.#slide(now)
    for (const window of this.#windows) window.current += cost
  }

  subtract(cost: number): void {
    for (const window of this.#windows) window.current = Math.max(0, window.current - cost)
  }

  /** Counts like the sliding windows of memory-limiter.ts. */
  costs(now: number): number[] {
    this.#slide(now)
    return this.#windows.map(({ start, current, previous }, i) => {
      const left = 1 - (now - start) / this.#lengthOf(i)
      return current + Math.ceil(previous * left)
    })
  }

  #slide(now: number): void {
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
