import { Compile } from 'typebox/schema'
import type { Decision, Tier } from '../limits/limiter.ts'
import { createMemoryLimiter } from '../limits/memory-limiter.ts'
import { Checks, type Decisions } from '../limits/supervisor-messages.ts'

/**
 * The counters of all limits. They live as long as the supervisor. The workers' end is limits/supervisor-limiter.ts.
 *
 * ```ts
 * cluster.on('message', (worker, message) => counters.answer(message, reply => worker.send(reply)))
 * ```
 */
export interface Counters {
  /** Answers checks. Returns false for other and for malformed messages. */
  answer(message: unknown, send: (reply: Decisions) => void): boolean
}

/** @param keys keys kept at most */
export function createCounters(keys: number, now?: () => number): Counters {
  const limiter = createMemoryLimiter(keys, now)

  return {
    answer(message, send) {
      if (!isChecks(message)) return false
      const { number, checks } = message
      const tiers = message.tiers.map(toTier)
      const states: number[] = []
      for (const [key, index, cost] of checks) {
        const tier = tiers[index]
        if (tier === undefined) return false
        limiter.check(key, tier, cost, (_error, decision) => {
          for (const { allowed, remaining, reset } of decision as Decision)
            states.push(allowed ? 1 : 0, remaining, reset)
        })
      }
      send({ type: 'decisions', number, states })
      return true
    }
  }
}

/**
 * Returns the tier under a name that includes windows and algorithms: workers of two configs may ask at the same time, and
 * counts of different windows must not mix.
 */
function toTier({ name, limits }: Checks['tiers'][number]): Tier {
  const layout = limits.map(({ window, algorithm }) => `${window}-${algorithm}`).join(' ')
  return { name: `${name} ${layout}`, limits } as Tier
}

const checker = Compile(Checks)

/** Checks the type first, since most messages are for others. */
function isChecks(message: unknown): message is Checks {
  return (message as Partial<Checks> | null)?.type === 'checks' && checker.Check(message)
}
