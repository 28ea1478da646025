import fastifyRateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { AppLimits } from './app-limits.ts'
import { type Decision, isAllowed, type Limiter, type Tier } from './limiter.ts'
import type { Standby } from './standby.ts'

/** The key of a request in @fastify/rate-limit. An object, so that its store can return the decisions of several limits. */
export interface Admission {
  key: string
  tier: Tier
  decision: Decision | undefined
  /** How the request was decided without the limiter, because that is down. */
  fallback?: 'open' | 'closed' | 'local' | undefined
}

export type Admit = (request: FastifyRequest) => Promise<{ key: Admission; isExceeded: boolean }>

/**
 * Registers @fastify/rate-limit in a context of its own, so that its hooks and decorators stay out of the app. Returns its
 * check of a request.
 *
 * Relies on: `createRateLimit` passes what `keyGenerator` returns on to the store's `incr` and to its result as it is;
 * `isExceeded` is `current > max`; the store is constructed once and `child` is called for each set of options.
 * @throws if the app has another @fastify/rate-limit: a second one in the same scope would use the first one's store
 */
export async function createAdmit(
  fastify: FastifyInstance,
  limits: AppLimits,
  keyGenerator: (request: FastifyRequest) => Admission
): Promise<Admit> {
  if (fastify.hasDecorator('createRateLimit'))
    throw new Error(
      'rateLimit: @fastify/rate-limit is registered in this scope too; register it in a scope of its own'
    )
  let admit: Admit | undefined
  await fastify.register(async context => {
    await context.register(fastifyRateLimit, { global: false, store: storeOf(limits) as never })
    const options = { keyGenerator: keyGenerator as never, max: ADMITTED + 1, timeWindow: 1 }
    admit = context.createRateLimit(options) as unknown as Admit
  })
  return admit as Admit
}

/** Values of `current`: below and above `max`. */
const ADMITTED = 0
const REJECTED = 2

function storeOf(limits: AppLimits) {
  return class Store {
    child(): this {
      return this
    }

    incr(
      admission: Admission,
      callback: (error: Error | null, result: { current: number; ttl: number }) => void
    ): void {
      const settle = (decision: Decision | undefined, isAdmitted: boolean) => {
        admission.decision = decision
        callback(null, { current: isAdmitted ? ADMITTED : REJECTED, ttl: 0 })
      }
      const limiter = limits.limiter as Limiter
      limiter.check(admission.key, admission.tier, 1, (error, decision) => {
        if (error === null) return settle(decision, isAllowed(decision as Decision))
        const { key, tier } = admission
        admission.fallback = tier.onRedisDown
        if (tier.onRedisDown !== 'local') return settle(undefined, tier.onRedisDown === 'open')
        const standby = limits.standby as Standby
        admission.tier = standby.shareOf(tier)
        standby.check(key, tier, 1, (_error, decision) => settle(decision, isAllowed(decision as Decision)))
      })
    }
  }
}
