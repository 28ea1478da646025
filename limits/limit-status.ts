import type { FastifyInstance } from 'fastify'
import type { LimitDecision } from '../http/exchange.ts'
import { limitsOf } from './app-limits.ts'

/** Where limits are counted and what they have decided, for the admin API. */
export interface LimitStatus {
  /** `redis`, `supervisor` (of several workers, without Redis) or `memory` (of one process). */
  store: 'redis' | 'supervisor' | 'memory'
  /** `unavailable`: tiers do as their `onRedisDown` says. */
  state: 'up' | 'unavailable'
  /** ISO date of the last time that it became available or unavailable to limits. */
  since: string
  /** Why it is unavailable; never with a password or a consumer in it. */
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
