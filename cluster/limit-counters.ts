import { Compile } from 'typebox/schema'
import type { Decision, Tier } from '../limits/limiter.ts'
import { createMemoryLimiter } from '../limits/memory-limiter.ts'
import { Checks, type Decisions } from '../limits/supervisor-messages.ts'

export interface LimitCounters {
  /** Replies to a message with checks. Returns false, and sends nothing, for any other message. */
  reply(message: unknown, send: (reply: Decisions) => void): boolean
}

/**
 * Counts limits for all workers, for as long as the supervisor lives: the other end of limits/supervisor-limiter.ts.
 *
 * ```ts
 * worker.on('message', message => counters.reply(message, decisions => worker.send(decisions)))
 * ```
 *
 * @param keys keys to keep at most; beyond, the least recently used key starts at zero
 * @param now milliseconds of a monotonic clock
 */
export function createLimitCounters(keys: number, now?: () => number): LimitCounters {
  const limiter = createMemoryLimiter(keys, now)

  return {
    reply(message, send) {
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
