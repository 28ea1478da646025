import type { LimitOptions, TierOptions } from '../../schemas/rate-limit.ts'

/** One limit of a tier, as a limiter and the headers need it. */
export interface Limit extends LimitOptions {
  /** Its name in `RateLimit-Policy`, unique within the tier. */
  name: string
}

export interface Tier {
  name: string
  limits: Limit[]
  redisAway: TierOptions['redisAway']
}

/** What one limit has to say of a request. */
export interface LimitState {
  /** Requests left after this one; 0 if it was refused. */
  remaining: number
  /** Milliseconds until a window of this limit ends, or, if this limit refused, until it would allow again. */
  reset: number
  allowed: boolean
}

/** One state a limit, in the tier's order. All are committed, or none. */
export type Decision = LimitState[]

/**
 * Checks all limits of a tier for one key, in one atomic step. `cost`: how much the request weighs.
 * An error says that nothing is known, not that anything was refused.
 */
export interface Limiter {
  check(
    key: string,
    tier: Tier,
    cost: number,
    callback: (error: Error | null, decision?: Decision) => void
  ): void
}

export function createTier(name: string, { limits, redisAway }: TierOptions): Tier {
  return {
    name,
    redisAway,
    limits: limits.map(limit => ({
      ...limit,
      name: limits.length === 1 ? name : `${name}-${limit.window / 1000}s`
    }))
  }
}

/** The tier with each limit divided among `gateways`, so that together they let through no more. */
export function shareOf(tier: Tier, gateways: number): Tier {
  return {
    ...tier,
    limits: tier.limits.map(limit => ({ ...limit, limit: Math.max(1, Math.floor(limit.limit / gateways)) }))
  }
}
