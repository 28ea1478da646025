import type { FastifyInstance } from 'fastify'
import { limitsOf } from './app-limits.ts'

/** Limits of a tier, as clients read them. */
export interface TierDescription {
  tier: string
  /** `window` in seconds. */
  limits: { limit: number; window: number }[]
}

/** Returns undefined if the app has no such tier. */
export function describeTier(app: FastifyInstance, name: string): TierDescription | undefined {
  const tier = limitsOf(app).tiers.find(tier => tier.name === name)
  return (
    tier && {
      tier: name,
      limits: tier.limits.map(({ limit, window }) => ({ limit, window: window / 1_000 }))
    }
  )
}
