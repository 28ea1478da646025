import { type Decision, isAllowed, type Limit, type Limiter, type LimitState, type Tier } from './limiter.ts'
import { Slots } from './lru-index.ts'

export interface MemoryLimiter extends Limiter {
  /**
   * Takes over a key from another limiter: `used` requests of each limit, and the times of its `decision`. Where these
   * leave open when requests came, takes the latest possible time, so that it is never less strict.
   */
  adopt(key: string, tier: Tier, used: number[], decision: Decision): void
}

/**
 * Limits in the memory of one gateway, with the semantics of the Lua script in redis.ts, line for line. Bounded: beyond
 * `keys` the least recently seen key is forgotten, and starts anew should it come back. A tier of the same name, windows
 * and algorithms goes on from what has been counted, whatever its limits are by now. `now`: milliseconds of a clock that
 * starts anywhere and never goes back. `widest`: limits that a tier has at most.
 */
export function createMemoryLimiter(keys: number, now = () => performance.now(), widest = 8): MemoryLimiter {
  const slots = new Slots(keys)
  // What a page has nothing in is not resident: only the keys that come take memory.
  const windows = new Float64Array(keys * widest * FIELDS)
  const logs: (number[] | undefined)[] = []
  const next = new Float64Array(widest * FIELDS)

  return {
    check(key, tier, cost, callback) {
      const { limits } = tier
      const time = now()
      const id = `${key}:${tier.name}`
      let slot = slots.find(id)
      if (slot === -1) {
        slot = slots.add(id)
        clear(slot, limits)
      }
      const decision = limits.map((limit, i) =>
        limit.algorithm === 'sliding-log'
          ? checkLog(
              logs[slot * widest + i] as number[],
              adoptedAt((slot * widest + i) * FIELDS),
              limit,
              cost,
              time
            )
          : checkWindow(
              windows,
              (slot * widest + i) * FIELDS,
              next,
              i * FIELDS,
              limit,
              cost,
              Math.floor(time)
            )
      )
      if (isAllowed(decision)) commit(slot, limits, cost, time)
      else for (const state of decision) if (state.allowed) state.remaining += cost
      callback(null, decision)
    },
    adopt(key, tier, used, decision) {
      const { limits } = tier
      const time = Math.floor(now())
      const id = `${key}:${tier.name}`
      let slot = slots.find(id)
      if (slot === -1) slot = slots.add(id)
      clear(slot, limits)
      limits.forEach(({ algorithm, limit, window }, i) => {
        const at = (slot * widest + i) * FIELDS
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

  function clear(slot: number, limits: Limit[]): void {
    const first = slot * widest
    windows.fill(0, first * FIELDS, (first + limits.length) * FIELDS)
    limits.forEach(({ algorithm }, i) => {
      windows[(first + i) * FIELDS] = Number.NEGATIVE_INFINITY
      if (algorithm === 'sliding-log') logs[first + i] = []
      // A tier without a log has had this slot's key before, or one with: nothing is left of it.
      else if (logs[first + i] !== undefined) logs[first + i] = undefined
    })
  }

  /** Counts what has just been allowed. */
  function commit(slot: number, limits: Limit[], cost: number, time: number): void {
    limits.forEach(({ algorithm }, i) => {
      const at = (slot * widest + i) * FIELDS
      if (algorithm === 'sliding-log') {
        const times = logs[slot * widest + i] as number[]
        for (let n = 0; n < cost; n++) times.push(time)
        return
      }
      windows[at] = next[i * FIELDS] as number
      windows[at + CURRENT] = (next[i * FIELDS + CURRENT] as number) + cost
      windows[at + PREVIOUS] = next[i * FIELDS + PREVIOUS] as number
    })
  }
}

/** Of a window: when it starts, what it has counted, and what the one before has. */
const CURRENT = 1
const PREVIOUS = 2
/** For a log: time of the first adopted request. The others count as of the window's start. */
const FIRST = 2
const FIELDS = 3

interface Adopted {
  count: number
  time: number
  first: number
}

/**
 * Of the previous window's requests, those are taken to be within the last `window` ms that would be had they come
 * evenly. A key's first window starts with its first request: were it to start with the clock's, a load that begins in
 * the middle of one would for a while get half as much again as its limit.
 *
 * Requests are multiplied by milliseconds rather than divided: whole numbers are exact, so that a request that comes
 * after just as long as it was told is not refused by a rounding error.
 *
 * `windows[at]` is left as it is; how it stands `now` is written to `next[to]`.
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
  // Within this window, once enough of the previous one has slid out, or within the next, which has this one behind it.
  const reset =
    current <= room
      ? window - Math.floor(((room - current) * window) / previous)
      : window * 2 - Math.floor((Math.max(room, 0) * window) / Math.max(current, 1))
  return { allowed: false, remaining: 0, reset: reset - elapsed }
}

/** `times`: of every request within the last `window` ms. Adopted requests are counted apart, and came before. */
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
