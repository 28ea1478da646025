import type { FastifyInstance } from 'fastify'
import type { LimitDecision } from '../http/exchange.ts'
import { limitsOf } from './app-limits.ts'
import type { LeaseCounts } from './lease.ts'
import { type NearLimit, TOP } from './near-limits.ts'

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
  /** Undefined in memory, where nothing is leased. */
  leases?: LeaseCounts
  /** Who is near or over a limit; private data. */
  near?: NearLimit[]
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
    ...(limits.leases && { leases: limits.leases }),
    near: limits.near.list(TOP),
    tiers: limits.tiers.map(({ name, decisions }) => ({ name, decisions }))
  }
}
