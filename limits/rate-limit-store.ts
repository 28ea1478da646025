import { type Decision, isAllowed, type Limiter, type Tier } from './limiter.ts'
import type { Standby } from './standby.ts'

/** Goes through @fastify/rate-limit as its key, so that its store can answer for several limits, not just one number. */
export interface Admission {
  key: string
  tier: Tier
  decision: Decision | undefined
  /** How the request was decided while the limit could not be checked. */
  without?: 'open' | 'closed' | 'local' | undefined
}

/**
 * Returns the store class for @fastify/rate-limit, which constructs it and makes a child for each set of options. All
 * children are the same store.
 */
export function createStore(limiter: Limiter, standby: Standby) {
  return class Store {
    child({ routeInfo }: { routeInfo: { url?: string } }): this {
      if (routeInfo.url === undefined) return this
      throw new Error(`${routeInfo.url} has a rateLimit in its config: limits are tiers here, set by scope`)
    }

    incr(
      admission: Admission,
      callback: (error: Error | null, result: { current: number; ttl: number }) => void
    ): void {
      const answer = (decision: Decision | undefined, isAdmitted: boolean) => {
        admission.decision = decision
        callback(null, { current: isAdmitted ? 0 : 2, ttl: 0 })
      }
      limiter.check(admission.key, admission.tier, 1, (error, decision) => {
        if (error === null) return answer(decision, isAllowed(decision as Decision))
        const { key, tier } = admission
        admission.without = tier.redisAway
        if (tier.redisAway !== 'local') return answer(undefined, tier.redisAway === 'open')
        admission.tier = standby.shareOf(tier)
        standby.check(key, tier, 1, (_error, decision) => answer(decision, isAllowed(decision as Decision)))
      })
    }
  }
}
