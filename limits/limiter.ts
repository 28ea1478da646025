import type { LimitDecision } from '../http/exchange.ts'
import type { LimitOptions, TierOptions } from '../schemas/options/rate-limit.ts'

/** One limit of a tier, as a limiter and the headers need it. */
export interface Limit extends LimitOptions {
  /** Its name in `RateLimit-Policy`, unique within the tier. */
  name: string
}

export interface Tier {
  name: string
  limits: Limit[]
  onRedisDown: TierOptions['onRedisDown']
  counting: TierOptions['counting']
  /** As `RateLimit-Policy` says it. */
  policy: string
  /** Since the start: what it has decided, or that it could not be asked. */
  decisions: Record<LimitDecision, number>
}

/** What one limit has to say of a request. */
export interface LimitState {
  allowed: boolean
  /** Requests left after this one; 0 if this limit refused it. */
  remaining: number
  /** Milliseconds until a window of this limit ends, or, if this limit refused, until it would allow again. */
  reset: number
}

/** One state a limit, in the tier's order. All are committed, or none. */
export type Decision = LimitState[]

/**
 * Checks all limits of a tier for one key, in one atomic step. `cost`: how much the request weighs.
 * An error says that nothing is known, not that anything was refused.
 */
export interface Limiter {
  /** As `check`, if it can be said at once; undefined, and nothing counted, if not. */
  checkNow?(key: string, tier: Tier, cost: number): Decision | undefined
  check(
    key: string,
    tier: Tier,
    cost: number,
    callback: (error: Error | null, decision?: Decision) => void
  ): void
}

export function createTier(name: string, { limits: options, onRedisDown, counting }: TierOptions): Tier {
  const limits = options.map(limit => ({
    ...limit,
    name: options.length === 1 ? name : `${name}-${limit.window / 1000}s`
  }))
  const policy = limits.map(({ name, limit, window }) => `"${name}";q=${limit};w=${window / 1000}`).join(', ')
  // A lease would be let through in another window than the log says.
  const isExact = counting === 'exact' || limits.some(({ algorithm }) => algorithm === 'sliding-log')
  const decisions = { allowed: 0, refused: 0, local: 0, open: 0, closed: 0, unavailable: 0 }
  return { name, limits, onRedisDown, counting: isExact ? 'exact' : 'leased', policy, decisions }
}

/** Each limit divided among `gateways`, so that together they let through no more, and each of them at least one. */
export function shareOf(tier: TierOptions, gateways: number): TierOptions {
  return {
    ...tier,
    limits: tier.limits.map(limit => ({ ...limit, limit: Math.max(1, Math.floor(limit.limit / gateways)) }))
  }
}

/** Returns true if all limits allow the request. */
export function isAllowed(decision: Decision): boolean {
  return decision.every(({ allowed }) => allowed)
}

/**
 * Reads a decision that has come as numbers: allowed (1 or 0), remaining and reset of each limit in turn.
 * @throws if it is anything else: a proxy, another server or a broken script must not decide.
 */
export function readDecision(reply: unknown, limits: Limit[]): Decision {
  if (!Array.isArray(reply) || reply.length !== limits.length * 3) throw new Error(UNEXPECTED)
  return limits.map(({ limit, window }, i) => {
    const [allowed, remaining, reset] = reply.slice(i * 3, i * 3 + 3)
    if (allowed !== 0 && allowed !== 1) throw new Error(UNEXPECTED)
    if (!Number.isInteger(remaining) || remaining < 0 || remaining > limit) throw new Error(UNEXPECTED)
    if (!Number.isFinite(reset) || reset <= 0 || reset > window * MAX_RESET) throw new Error(UNEXPECTED)
    return { allowed: allowed === 1, remaining, reset }
  })
}

/** Calls back with the decision, or with an error if the reply is not one. Never throws. */
export function passDecision(reply: unknown, tier: Tier, callback: Parameters<Limiter['check']>[3]): void {
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
/** In windows. A request waits for two at most, longer only if the limit was lowered since it was counted. */
const MAX_RESET = 4
