import { type Decision, isAllowed, type Limiter, type Tier } from './limiter.ts'
import type { MemoryLimiter } from './memory-limiter.ts'

/**
 * Counts limits in memory while Redis (or the supervisor) is unavailable, starting from its last decision for each key:
 * a pause must not give anybody a second quota. Each of `sharers` processes lets its share of the rest through, or of
 * the limit for a key without a decision.
 *
 * Bound: one process keeps the limit. Of N processes each knows only its own last decision, and shares are rounded up,
 * so that (N - 1) / N of the limit plus N - 1 requests can pass on top in each outage.
 *
 * Requests that pass are charged when Redis is available again, for up to `keys` keys.
 */
export interface Standby extends Limiter {
  /** Learns a decision of Redis. */
  remember(key: string, tier: Tier, cost: number, decision: Decision): void
  /** Subtracts a request that was decided here, but turned out to be counted in Redis too. */
  isCounted(key: string, tier: Tier, cost: number): void
  /** Returns up to `max` keys with the requests that were let through here, and forgets them. */
  takeCharges(max: number): Charge[]
  /** Returns the tier with this process's share of the limits. */
  shareOf(tier: Tier): Tier
}

export interface Charge {
  key: string
  tier: Tier
  /** For each limit: requests that were let through within its window. */
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
        if (decision && isAllowed(decision)) use(key, tier, cost)
        callback(error, decision)
      })
    },
    remember(key, tier, cost, decision) {
      if (tier.onRedisDown !== 'local') return
      // A refused batch does not tell how much is left.
      if (cost > 1 && !isAllowed(decision)) return
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

/** Requests that were let through for a key: for each limit, in its current and its previous window. */
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

  /** Counts like the sliding windows of memory.ts. */
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
