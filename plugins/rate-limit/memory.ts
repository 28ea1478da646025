import { LruMap } from 'toad-cache'
import type { Limit, Limiter, LimitState } from './limiter.ts'

/**
 * Limits in the memory of one gateway, with the semantics of the Lua script in redis.ts, line for line. Bounded: beyond
 * `keys` the least recently seen key is forgotten, and starts anew should it come back. A tier of the same name, windows
 * and algorithms goes on from what has been counted, whatever its limits are by now. `now`: milliseconds of a clock
 * that starts anywhere and never goes back.
 */
export function createMemoryLimiter(keys: number, now = () => performance.now()): Limiter {
  const counters = new LruMap<Counter[]>(keys)

  return {
    check(key, tier, cost, callback) {
      const time = now()
      const id = `${key}:${tier.name}`
      let own = counters.get(id)
      if (own === undefined) {
        own = tier.limits.map(createCounter)
        counters.set(id, own)
      }
      const decision = own.map((counter, i) => counter.check((tier.limits[i] as Limit).limit, cost, time))
      if (decision.every(state => state.allowed)) {
        for (const counter of own) counter.commit(cost, time)
      } else {
        for (const state of decision) if (state.allowed) state.remaining += cost
      }
      callback(null, decision)
    }
  }
}

/** What is known of one key by one limit. */
interface Counter {
  check(limit: number, cost: number, time: number): LimitState
  /** Counts what the last `check` allowed. */
  commit(cost: number, time: number): void
}

function createCounter(limit: Limit): Counter {
  return limit.algorithm === 'sliding-log' ? new SlidingLog(limit) : new SlidingWindow(limit)
}

/**
 * Of the previous window's requests, those are taken to be within the last `window` ms that would be had they come
 * evenly. A key's first window starts with its first request: were it to start with the clock's, a load that begins in
 * the middle of one would for a while get half as much again as its limit.
 *
 * Requests are multiplied by milliseconds rather than divided: whole numbers are exact, so that a request that comes
 * after just as long as it was told is not refused by a rounding error.
 */
class SlidingWindow implements Counter {
  #window: number
  #start = Number.NEGATIVE_INFINITY
  #current = 0
  #previous = 0
  #next = { start: 0, current: 0, previous: 0 }

  constructor({ window }: Limit) {
    this.#window = window
  }

  check(limit: number, cost: number, time: number): LimitState {
    const window = this.#window
    const now = Math.floor(time)
    let start = this.#start
    let current = this.#current
    let previous = this.#previous
    if (now - start >= window * 2) {
      start = now
      current = 0
      previous = 0
    } else if (now - start >= window) {
      start += window
      previous = current
      current = 0
    }
    this.#next = { start, current, previous }

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

  commit(cost: number): void {
    const { start, current, previous } = this.#next
    this.#start = start
    this.#current = current + cost
    this.#previous = previous
  }
}

/** The time of every request within the last `window` ms. */
class SlidingLog implements Counter {
  #window: number
  #times: number[] = []

  constructor({ window }: Limit) {
    this.#window = window
  }

  check(limit: number, cost: number, now: number): LimitState {
    const window = this.#window
    const times = this.#times
    const kept = times.findIndex(time => time > now - window)
    times.splice(0, kept === -1 ? times.length : kept)

    const room = limit - cost - times.length
    const freeing = room >= 0 ? times[0] : times[-room - 1]
    const reset = freeing === undefined ? window : Math.ceil(freeing - now + window)
    return { allowed: room >= 0, remaining: Math.max(room, 0), reset }
  }

  commit(cost: number, now: number): void {
    for (let i = 0; i < cost; i++) this.#times.push(now)
  }
}
