import type { Decision, Tier } from './limiter.ts'

/** A consumer or address that has used most of a limit, as of its last request. */
export interface NearLimit {
  tier: string
  by: 'consumer' | 'address'
  key: string
  /** Requests that the limit has counted in its window. */
  used: number
  limit: number
  /** Milliseconds of the limit's window. */
  windowMs: number
  /** True if its last request was rejected. */
  isOver: boolean
  /** ISO instant: end of a window or, if `isOver`, the time from which on a request is allowed. */
  resetsAt: string
}

interface Entry {
  used: number
  limit: number
  windowMs: number
  isOver: boolean
  /** Milliseconds of a monotonic clock. */
  resetsAt: number
}

/** Keys that are listed. */
export const TOP = 20
/** A limit is near from one fifth left on. */
const SHARE_LEFT = 5
/** Keys of a tier that are remembered. Beyond, the one that came near first is forgotten. */
const MAX_KEYS = 500
/** Characters of a key that are shown. */
const MAX_KEY = 256

/**
 * Remembers who is near or over a limit, from the decisions that requests get anyway: so it knows the same of every store,
 * and costs nothing for those who are far from their limits.
 */
export class NearLimits {
  readonly #tiers = new Map<string, Map<string, Entry>>()

  /** Notes the decision about a request of `key`. */
  note(key: string, { name, limits }: Tier, decision: Decision): void {
    for (const [i, { limit }] of limits.entries()) {
      const remaining = decision[i]?.remaining ?? limit
      if (remaining * SHARE_LEFT <= limit) {
        this.#add(key, name, limits, decision)
        return
      }
    }
  }

  /** Returns the `top` keys that have used the largest shares. */
  list(top: number): NearLimit[] {
    const now = performance.now()
    const found: NearLimit[] = []
    for (const [tier, entries] of this.#tiers)
      for (const [key, { resetsAt, ...entry }] of entries) {
        if (resetsAt <= now) {
          entries.delete(key)
          continue
        }
        const [by = '', ...rest] = key.split(':')
        found.push({
          tier,
          by: by as NearLimit['by'],
          key: rest.join(':').slice(0, MAX_KEY),
          ...entry,
          resetsAt: new Date(Date.now() + resetsAt - now).toISOString()
        })
      }
    return found.sort(byShare).slice(0, top)
  }

  /** Keeps the limit that rejected the request, or of which least is left. */
  #add(key: string, name: string, limits: Tier['limits'], decision: Decision): void {
    let least = decision.findIndex(({ allowed }) => !allowed)
    if (least === -1) {
      const left = limits.map(({ limit }, i) => (decision[i]?.remaining ?? limit) / limit)
      least = left.indexOf(Math.min(...left))
    }
    const { limit, window: windowMs } = limits[least] as Tier['limits'][number]
    const { allowed, remaining, reset } = decision[least] as Decision[number]
    let entries = this.#tiers.get(name)
    if (entries === undefined) {
      entries = new Map()
      this.#tiers.set(name, entries)
    }
    if (!entries.has(key) && entries.size >= MAX_KEYS) entries.delete(entries.keys().next().value as string)
    const resetsAt = performance.now() + reset
    entries.set(key, { used: limit - remaining, limit, windowMs, isOver: !allowed, resetsAt })
  }
}

/** Sorts those who are over their limits first, then by the share that they have used. */
export function byShare(one: NearLimit, other: NearLimit): number {
  return Number(other.isOver) - Number(one.isOver) || other.used / other.limit - one.used / one.limit
}
