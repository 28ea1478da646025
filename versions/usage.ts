import { LruMap } from 'toad-cache'

/** Who calls a version, and when last. Consumers beyond `MAX_CONSUMERS` push out those who have not called for longest. */
export interface Usage {
  calls: number
  /** Epoch ms; 0 if there was none. */
  lastCall: number
  count(consumer: string, now: number): void
  /** The `top` consumers by their calls. */
  consumers(top: number): ConsumerUsage[]
  /** How many are known, and how often one was pushed out. */
  known(): number
  dropped: number
}

export interface ConsumerUsage {
  consumer: string
  calls: number
  lastCall: string
}

export const MAX_CONSUMERS = 1_000

export function createUsage(max = MAX_CONSUMERS): Usage {
  const counts = new LruMap<{ calls: number; lastCall: number }>(max)
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
      // From the one that called longest ago on, so that reading leaves their order as it is.
      return [...counts.keys()]
        .map(consumer => ({ consumer, ...(counts.get(consumer) as { calls: number; lastCall: number }) }))
        .sort((a, b) => b.calls - a.calls)
        .slice(0, top)
        .map(({ lastCall, ...rest }) => ({ ...rest, lastCall: new Date(lastCall).toISOString() }))
    },
    known: () => counts.size
  }
  return usage
}
