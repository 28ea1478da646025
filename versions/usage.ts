import { LruMap } from 'toad-cache'

/** Counts of one version. At most `MAX_CONSUMERS` consumers are remembered; the least recent one makes room for a new one. */
export interface Usage {
  calls: number
  /** Epoch ms; 0 before the first call. */
  lastCall: number
  /** @param now epoch ms */
  count(consumer: string, now: number): void
  /** Returns the `top` consumers, the most frequent first. */
  consumers(top: number): ConsumerUsage[]
  /** Returns the number of consumers that are remembered. */
  known(): number
  /** Number of consumers that were forgotten. */
  dropped: number
}

export interface ConsumerUsage {
  consumer: string
  calls: number
  /** ISO 8601. */
  lastCall: string
}

export const MAX_CONSUMERS = 1_000

interface ConsumerCount {
  calls: number
  lastCall: number
}

export function createUsage(max = MAX_CONSUMERS): Usage {
  const counts = new LruMap<ConsumerCount>(max)
  const usage: Usage = {
    calls: 0,
    lastCall: 0,
    dropped: 0,
    count(consumer, now) {
      usage.calls++
      usage.lastCall = now
      const own = counts.get(consumer)
      if (own !== undefined) {
        own.calls++
        own.lastCall = now
        return
      }
      if (counts.size === max) usage.dropped++
      counts.set(consumer, { calls: 1, lastCall: now })
    },
    consumers(top) {
      // Reading refreshes entries. From the least recent one on, that keeps their order.
      return [...counts.keys()]
        .map(consumer => ({ consumer, ...(counts.get(consumer) as ConsumerCount) }))
        .sort((a, b) => b.calls - a.calls)
        .slice(0, top)
        .map(({ lastCall, ...rest }) => ({ ...rest, lastCall: new Date(lastCall).toISOString() }))
    },
    known: () => counts.size
  }
  return usage
}
