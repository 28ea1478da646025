import { Compile } from 'typebox/compile'
import { createMemoryLimiter } from '../plugins/rate-limit/memory.ts'
import { Checks, type Decisions } from '../plugins/rate-limit/shared.ts'

/**
 * The supervisor's end of plugins/rate-limit/shared.ts: the counters of all limits, for as long as the supervisor lives,
 * whatever becomes of its workers. `keys`: as many are kept at most.
 *
 * ```ts
 * cluster.on('message', (worker, message) => counters.answer(message, reply => worker.send(reply)))
 * ```
 */
export interface Counters {
  /** False, and nothing sent, if it is no message for the counters, or none that they understand. */
  answer(message: unknown, send: (reply: Decisions) => void): boolean
}

export function createCounters(keys: number, now?: () => number): Counters {
  const limiter = createMemoryLimiter(keys, now)

  return {
    answer(message, send) {
      if (!isChecks(message)) return false
      const { number, tiers, checks } = message
      const states: number[] = []
      for (const [key, index, cost] of checks) {
        const tier = tiers[index]
        if (tier === undefined) return false
        limiter.check(key, tier, cost, (_error, decision) => {
          for (const { allowed, remaining, reset } of decision) states.push(allowed ? 1 : 0, remaining, reset)
        })
      }
      send({ type: 'decisions', number, states })
      return true
    }
  }
}

const checker = Compile(Checks)

/** Most messages are not for the counters: these are told by one look. */
function isChecks(message: unknown): message is Checks {
  return (message as Partial<Checks> | null)?.type === 'checks' && checker.Check(message)
}
