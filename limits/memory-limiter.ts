import { type Decision, isAllowed, type Limit, type Limiter, type LimitState, type Tier } from './limiter.ts'
import { LruIndex } from './lru-index.ts'

export interface MemoryLimiter extends Limiter {
  /**
   * Takes over a key from another limiter. Where the decision does not tell when requests came, assumes the latest possible
   * time, so that this limiter is never less strict.
   * @param used requests that each limit has counted
   * @param decision the other limiter's last one
   */
  adopt(key: string, tier: Tier, used: number[], decision: Decision): void
}

/**
 * Counts limits in memory, with the semantics of the Lua scripts in redis-scripts.ts. Counters belong to the name, the
 * windows and the algorithms of a tier, so they survive a change of its limits.
 *
 * @param keys keys to keep at most; beyond, the least recently used key starts at zero
 * @param now milliseconds of a monotonic clock
 * @param widest limits that a tier has at most
 */
export function createMemoryLimiter(keys: number, now = () => performance.now(), widest = 8): MemoryLimiter {
  const indices = new LruIndex(keys)
  // The system allocates a page when it is first written, so keys that never come take no memory.
  const windows = new Float64Array(keys * widest * FIELDS)
  const logs: (number[] | undefined)[] = []
  const next = new Float64Array(widest * FIELDS)

  return {
    check(key, tier, cost, callback) {
      const { limits } = tier
      const time = now()
      const id = `${key}:${tier.name}`
      let index = indices.find(id)
      if (index === -1) {
        index = indices.add(id)
        clear(index, limits)
      }
      const decision = limits.map((limit, i) =>
        limit.algorithm === 'sliding-log'
          ? checkLog(
              logs[index * widest + i] as number[],
              adoptedAt((index * widest + i) * FIELDS),
              limit,
              cost,
              time
            )
          : checkWindow(
              windows,
              (index * widest + i) * FIELDS,
              next,
              i * FIELDS,
              limit,
              cost,
              Math.floor(time)
            )
      )
      if (isAllowed(decision)) commit(index, limits, cost, time)
      else for (const state of decision) if (state.allowed) state.remaining += cost
      callback(null, decision)
    },
    adopt(key, tier, used, decision) {
      const { limits } = tier
      const time = Math.floor(now())
      const id = `${key}:${tier.name}`
      let index = indices.find(id)
      if (index === -1) index = indices.add(id)
      clear(index, limits)
      limits.forEach(({ algorithm, limit, window }, i) => {
        const at = (index * widest + i) * FIELDS
        const { allowed, reset } = decision[i] as LimitState
        const count = allowed ? (used[i] as number) : limit
        // Time of the first request, which leaves its window at `reset`.
        const first = Math.min(time, Math.ceil(time + reset - window))
        windows[at + CURRENT] = count
        if (algorithm === 'sliding-log') {
          windows[at] = time
          windows[at + FIRST] = first
        } else if (allowed) windows[at] = first
        // Places the window so that the next one lets a request through exactly at `reset`.
        else windows[at] = Math.ceil(time + reset - window - window / limit)
      })
    }
  }

  function adoptedAt(at: number): Adopted {
    return {
      count: windows[at + CURRENT] as number,
      time: windows[at] as number,
      first: windows[at + FIRST] as number
    }
  }

  function clear(index: number, limits: Limit[]): void {
    const first = index * widest
    windows.fill(0, first * FIELDS, (first + limits.length) * FIELDS)
    limits.forEach(({ algorithm }, i) => {
      windows[(first + i) * FIELDS] = Number.NEGATIVE_INFINITY
      if (algorithm === 'sliding-log') logs[first + i] = []
      // The index may have belonged to a key with a log.
      else if (logs[first + i] !== undefined) logs[first + i] = undefined
    })
  }

  /** Counts an allowed request. */
  function commit(index: number, limits: Limit[], cost: number, time: number): void {
    limits.forEach(({ algorithm }, i) => {
      const at = (index * widest + i) * FIELDS
      if (algorithm === 'sliding-log') {
        const times = logs[index * widest + i] as number[]
        for (let n = 0; n < cost; n++) times.push(time)
        return
      }
      windows[at] = next[i * FIELDS] as number
      windows[at + CURRENT] = (next[i * FIELDS + CURRENT] as number) + cost
      windows[at + PREVIOUS] = next[i * FIELDS + PREVIOUS] as number
    })
  }
}

/** Fields of a window: start, current count and count of the previous window. */
const CURRENT = 1
const PREVIOUS = 2
/** Field of a log: time of the first adopted request. The other adopted requests count as of the window's start. */
const FIRST = 2
const FIELDS = 3

interface Adopted {
  count: number
  time: number
  first: number
}

/**
 * Assumes that the requests of the previous window came evenly. A key's first window starts with its first request: if it
 * started with the clock's, a load that begins in mid-window would get 1.5 times its limit for a while.
 *
 * Multiplies requests by milliseconds instead of dividing, because whole numbers are exact: a rounding error would reject a
 * request that comes exactly after `Retry-After`.
 *
 * Leaves `windows[at]` as it is and writes its state as of `now` to `next[to]`.
 */
function checkWindow(
  windows: Float64Array,
  at: number,
  next: Float64Array,
  to: number,
  { limit, window }: Limit,
  cost: number,
  now: number
): LimitState {
  let start = windows[at] as number
  let current = windows[at + CURRENT] as number
  let previous = windows[at + PREVIOUS] as number
  if (now - start >= window * 2) {
    start = now
    current = 0
    previous = 0
  } else if (now - start >= window) {
    start += window
    previous = current
    current = 0
  }
  next[to] = start
  next[to + CURRENT] = current
  next[to + PREVIOUS] = previous

  const elapsed = now - start
  const room = limit - cost
  const left = (room - current) * window - previous * (window - elapsed)
  if (left >= 0) return { allowed: true, remaining: Math.floor(left / window), reset: window - elapsed }
  // In this window, once enough of the previous one has slid out; or in the next, where this one is the previous.
  const reset =
    current <= room
      ? window - Math.floor(((room - current) * window) / previous)
      : window * 2 - Math.floor((Math.max(room, 0) * window) / Math.max(current, 1))
  return { allowed: false, remaining: 0, reset: reset - elapsed }
}

/** @param times times of the requests within the last `window` ms; adopted requests come before them */
function checkLog(
  times: number[],
  adopted: Adopted,
  { limit, window }: Limit,
  cost: number,
  now: number
): LimitState {
  const kept = times.findIndex(time => time > now - window)
  times.splice(0, kept === -1 ? times.length : kept)

  const hasFirst = adopted.count > 0 && adopted.first > now - window
  const others = adopted.count > 0 && adopted.time > now - window ? adopted.count - 1 : 0
  const before = others + (hasFirst ? 1 : 0)
  const timeOf = (i: number) =>
    i >= before ? times[i - before] : hasFirst && i === 0 ? adopted.first : adopted.time
  const room = limit - cost - before - times.length
  const freeing = timeOf(room >= 0 ? 0 : -room - 1)
  const reset = freeing === undefined ? window : Math.ceil(freeing - now + window)
  return { allowed: room >= 0, remaining: Math.max(room, 0), reset }
}
