import type { FastifyInstance } from 'fastify'
import type { LimitDecision } from '../http/exchange.ts'
import { limitsOf } from './app-limits.ts'

/** Where the limits of an app are counted, and their decisions, for the admin API. */
export interface LimitStatus {
  /** `supervisor`: several workers without Redis. `memory`: one process without Redis. */
  store: 'redis' | 'supervisor' | 'memory'
  /** `unavailable`: the `onRedisDown` of each tier applies. */
  state: 'up' | 'unavailable'
  /** ISO date of the last change of `state`. */
  since: string
  /** Why it is unavailable, without passwords and consumers. */
  reason?: string
  tiers: { name: string; decisions: Record<LimitDecision, number> }[]
}

export function limitStatus(app: FastifyInstance): LimitStatus {
  const limits = limitsOf(app)
  const { isDown, since, reason } = limits.state()
  const isConnected = app.redis === undefined || app.redis.status === 'ready'
  const why = isConnected ? reason : (reason ?? 'the connection is closed')
  return {
    store: limits.kind,
    state: isConnected && !isDown ? 'up' : 'unavailable',
    since: new Date(since).toISOString(),
    ...(why !== undefined && { reason: why }),
    tiers: limits.tiers.map(({ name, decisions }) => ({ name, decisions }))
  }
}
