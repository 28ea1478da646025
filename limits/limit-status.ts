import type { FastifyInstance } from 'fastify'
import type { LimitDecision } from '../http/exchange.ts'

/** Where limits are counted and what they have decided, for the admin API. */
export interface LimitStatus {
  /** `redis`, `supervisor` (of several workers, without Redis) or `memory` (of one process). */
  store: 'redis' | 'supervisor' | 'memory'
  /** `unavailable`: tiers do as their `redisAway` says. */
  state: 'up' | 'unavailable'
  /** ISO date of the last time that it became available or unavailable to limits. */
  since: string
  /** Why it is unavailable; never with a password or a consumer in it. */
  reason?: string
  tiers: { name: string; decisions: Record<LimitDecision, number> }[]
}

export function limitStatus({ limitStore, redis, tiers }: FastifyInstance): LimitStatus {
  const { isAway, since, reason } = limitStore.state()
  const isConnected = redis === undefined || redis.status === 'ready'
  const why = isConnected ? reason : (reason ?? 'the connection is closed')
  return {
    store: limitStore.kind,
    state: isConnected && !isAway ? 'up' : 'unavailable',
    since: new Date(since).toISOString(),
    ...(why !== undefined && { reason: why }),
    tiers: tiers.map(({ name, decisions }) => ({ name, decisions }))
  }
}
