import type { Attributes } from '@opentelemetry/api'
import type { FastifyBaseLogger } from 'fastify'
import type { Redis } from 'ioredis'
import { inOnePiece, isNotConnected } from './ioredis-internals.ts'
import { passDecision, type Tier } from './limiter.ts'
import { CHARGE, CHECK } from './redis-scripts.ts'
import { type Check, createRemoteLimiter, type RemoteLimiter } from './remote-limiter.ts'
import type { Standby } from './standby.ts'

/**
 * Counts limits in Redis for all gateways: one script call checks all limits of a request, by the clock of Redis. Checks that
 * are asked together are written together. The keys of a consumer have the same hash tag, so that a cluster has them on one
 * node. They contain window and algorithm: a config with other ones starts at zero.
 *
 * @param timeout milliseconds for a check
 * @param connectionError returns why there is no connection, which the error of a command does not tell
 */
export function createRedisLimiter(
  redis: Redis,
  timeout: number,
  log: FastifyBaseLogger,
  standby?: Standby,
  connectionError?: () => Error | undefined
): RemoteLimiter {
  redis.defineCommand('sluiceCheck', { lua: CHECK })
  redis.defineCommand('sluiceCharge', { lua: CHARGE })

  /** Checks without a reply yet, and those that wait for these replies. */
  let open = 0
  let waiting: Check[] = []
  return createRemoteLimiter('Redis', ask, timeout, log, standby && { standby, charge })

  /** A connection that has lost a reply falls silent, and is closed, because nothing follows before all replies have come. */
  function ask(checks: Check[]): void {
    if (open > 0) {
      waiting.push(...checks)
      return
    }
    open = checks.length
    inOnePiece(redis, () => checks.forEach(askOne))
  }

  function askOne({ key, tier, cost, callback }: Check): void {
    const keys = keysOf(key, tier)
    const args = tier.limits.flatMap(({ algorithm, limit, window }) => [
      algorithm === 'sliding-log' ? 1 : 0,
      limit,
      window
    ])
    ;(redis as ScriptedRedis).sluiceCheck(keys.length, ...keys, cost, ...args).then(
      reply => {
        sendWaiting()
        passDecision(reply, tier, callback)
      },
      error => {
        sendWaiting()
        callback((isNotConnected(error) && connectionError?.()) || error)
      }
    )
  }

  /** Called once for each reply. */
  function sendWaiting(): void {
    if (--open > 0 || waiting.length === 0) return
    const checks = waiting
    waiting = []
    ask(checks)
  }

  function charge(key: string, tier: Tier, costs: number[], callback: (error: Error | null) => void): void {
    const keys = keysOf(key, tier)
    const args = tier.limits.flatMap(({ algorithm, window }, i) => [
      algorithm === 'sliding-log' ? 1 : 0,
      window,
      costs[i] as number
    ])
    ;(redis as ScriptedRedis).sluiceCharge(keys.length, ...keys, ...args).then(() => callback(null), callback)
  }
}

/** Returns the attributes of the span of a check, by the semantic conventions for Redis. */
export function describeCalls(redis: Redis | undefined): Attributes {
  const { host, port } = redis?.options ?? {}
  return {
    'db.system.name': 'redis',
    'db.operation.name': 'EVALSHA',
    'server.address': host,
    'server.port': port
  }
}

function keysOf(key: string, { name, limits }: Tier): string[] {
  return limits.map(({ window, algorithm }) => `sluice:{${key}}:${name}:${window}:${algorithm}`)
}

interface ScriptedRedis extends Redis {
  sluiceCheck(...args: (string | number)[]): Promise<unknown>
  sluiceCharge(...args: (string | number)[]): Promise<unknown>
}
