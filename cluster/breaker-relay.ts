import { Compile } from 'typebox/schema'
import {
  BreakerChange,
  BreakerHalfOpen,
  type BreakerMessage,
  BreakerOutcomes,
  type BreakersQuery
} from '../proxy/breaker-messages.ts'
import { FailureRun } from '../proxy/failure-run.ts'

/**
 * Relays messages of the workers' breakers to the other workers, and keeps their state for workers that start. The workers'
 * end is proxy/shared-breakers.ts.
 */
export interface BreakerRelay {
  /** Handles a message of the worker `from`, to which `reply` sends. Returns false for other messages. */
  handle(message: unknown, reply: (message: BreakerMessage) => void, from?: number): boolean
}

interface KnownBreaker {
  /** 0 if closed. */
  openedAt: number
  changedAt: number
  run: FailureRun
}

/** Breakers whose state is kept; beyond, the oldest is dropped. */
const MAX_KNOWN = 1_024

/** @param broadcast sends a message to all workers but `except` */
export function createBreakerRelay(
  broadcast: (message: BreakerMessage, except?: number) => void
): BreakerRelay {
  const known = new Map<string, KnownBreaker>()

  return {
    handle(message, reply, from) {
      const { type } = (message ?? {}) as Partial<BreakerMessage | BreakersQuery>
      if (type === 'breakers') {
        for (const [key, breaker] of known) describe(key, breaker).forEach(reply)
        return true
      }
      if (type === 'breaker' && changes.Check(message)) {
        learn(message.key, message.openedAt, message.at)
        broadcast(message, from)
        if (from !== undefined) reply({ ...message, isOwn: true })
        return true
      }
      if (type === 'outcomes' && outcomes.Check(message)) {
        count(message)
        broadcast(message, from)
        return true
      }
      if (type !== 'half-open' || !halfOpen.Check(message)) return false
      broadcast(message, from)
      return true
    }
  }

  function count({ key, since, failures, successAt }: BreakerOutcomes): void {
    const breaker = known.get(key) ?? learn(key, 0, Number.NEGATIVE_INFINITY)
    if (breaker.openedAt > 0 || since < breaker.changedAt) return
    for (const [at, endpoint] of failures) breaker.run.fail(at, endpoint)
    if (successAt > 0) breaker.run.succeed(successAt)
  }

  function learn(key: string, openedAt: number, changedAt: number): KnownBreaker {
    const breaker = { openedAt, changedAt, run: new FailureRun() }
    known.delete(key)
    known.set(key, breaker)
    if (known.size > MAX_KNOWN) known.delete(known.keys().next().value as string)
    return breaker
  }
}

/** Returns the messages that tell a new worker about a breaker. */
function describe(key: string, { openedAt, changedAt, run }: KnownBreaker): BreakerMessage[] {
  if (openedAt > 0) return [{ type: 'breaker', key, openedAt, at: changedAt }]
  if (run.isEmpty) return []
  const failures = run.failures.map(([at, endpoint]): [number, string] => [at, String(endpoint)])
  const counts = { calls: 0, successes: 0, failures: 0, slow: 0 }
  return [{ type: 'outcomes', key, since: failures[0]?.[0] ?? 0, failures, successAt: 0, counts }]
}

const changes = Compile(BreakerChange)
const outcomes = Compile(BreakerOutcomes)
const halfOpen = Compile(BreakerHalfOpen)
