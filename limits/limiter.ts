import type { LimitDecision } from '../http/exchange.ts'
import type { LimitOptions, TierOptions } from '../schemas/options/rate-limit.ts'

/** One limit of a tier. */
export interface Limit extends LimitOptions {
  /** Name in `RateLimit-Policy`, unique within the tier. */
  name: string
}

export interface Tier {
  name: string
  limits: Limit[]
  onRedisDown: TierOptions['onRedisDown']
  counting: TierOptions['counting']
  /** Value of `RateLimit-Policy`. */
  policy: string
  /** Number of requests since the start, by decision. */
  decisions: Record<LimitDecision, number>
}

/** Decision of one limit. */
export interface LimitState {
  allowed: boolean
  /** Requests left after this one; 0 if this limit rejected it. */
  remaining: number
  /** Milliseconds until a window of this limit ends or, if it rejected the request, until it would allow one. */
  reset: number
}

/** One state for each limit, in the tier's order. The request counts for all limits or for none. */
export type Decision = LimitState[]

/** Gets an error if there is no decision. A rejected request is a decision. */
export type DecisionCallback = (error: Error | null, decision?: Decision) => void

/** Checks all limits of a tier for one key in one atomic step. */
export interface Limiter {
  /** Returns the decision if it is known without waiting; otherwise undefined, and nothing is counted. */
  checkNow?(key: string, tier: Tier, cost: number): Decision | undefined
  /** @param cost number of requests to count */
  check(key: string, tier: Tier, cost: number, callback: DecisionCallback): void
}

/** Checks that a limiter asks another process at a time. */
export const MAX_BATCH = 256

export function createTier(name: string, { limits: options, onRedisDown, counting }: TierOptions): Tier {
  const limits = options.map(limit => ({
    ...limit,
    name: options.length === 1 ? name : `${name}-${limit.window / 1000}s`
  }))
  const policy = limits.map(({ name, limit, window }) => `"${name}";q=${limit};w=${window / 1000}`).join(', ')
  // Leased permits would pass in another window than the log has them in.
  const isExact = counting === 'exact' || limits.some(({ algorithm }) => algorithm === 'sliding-log')
  const decisions = { allowed: 0, rejected: 0, local: 0, open: 0, closed: 0, unavailable: 0 }
  return { name, limits, onRedisDown, counting: isExact ? 'exact' : 'leased', policy, decisions }
}

/** Returns the tier with each limit divided by `sharers`, but at least 1. */
export function divideLimits(tier: TierOptions, sharers: number): TierOptions {
  return {
    ...tier,
    limits: tier.limits.map(limit => ({ ...limit, limit: Math.max(1, Math.floor(limit.limit / sharers)) }))
  }
}

/** Returns true if all limits allow the request. */
export function isAllowed(decision: Decision): boolean {
  return decision.every(({ allowed }) => allowed)
}

/**
 * Reads a decision from numbers: allowed (1 or 0), remaining and reset of each limit in turn.
 * @throws for any other reply: a proxy, another server or a broken script must not decide
 */
function readDecision(reply: unknown, limits: Limit[]): Decision {
  if (!Array.isArray(reply) || reply.length !== limits.length * 3) throw new Error(UNEXPECTED)
  return limits.map(({ limit, window }, i) => {
    const [allowed, remaining, reset] = [reply[i * 3], reply[i * 3 + 1], reply[i * 3 + 2]]
    if (allowed !== 0 && allowed !== 1) throw new Error(UNEXPECTED)
    if (!Number.isInteger(remaining) || remaining < 0 || remaining > limit) throw new Error(UNEXPECTED)
    if (!Number.isFinite(reset) || reset <= 0 || reset > window * MAX_RESET) throw new Error(UNEXPECTED)
    return { allowed: allowed === 1, remaining, reset }
  })
}

/** Calls back with the decision in the reply, or with an error. Never throws. */
export function passDecision(reply: unknown, tier: Tier, callback: DecisionCallback): void {
  let decision: Decision | undefined
  let fault: Error | null = null
  try {
    decision = readDecision(reply, tier.limits)
  } catch (error) {
    fault = error as Error
  }
  callback(fault, decision)
}

const UNEXPECTED = 'an unexpected reply'
/** In windows. A request waits for two at most, or longer if the limit was lowered since. */
const MAX_RESET = 4
