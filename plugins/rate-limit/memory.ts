import { LruMap } from 'toad-cache'
import type { Decision, Limit, Limiter, LimitState } from './limiter.ts'

/**
 * Limits in the memory of one gateway, with the semantics of the Lua script in redis.ts, line for line. Bounded: beyond
 * `keys` the least recently seen key is forgotten, and starts anew should it come back.
 */
export function createMemoryLimiter(keys: number, now: () => number = Date.now): Limiter {
  const counters = new LruMap<Counter>(keys)
  const logs = new LruMap<number[]>(keys)

  return {
    check(key, tier, cost, callback) {
      const time = now()
      const commits: (() => void)[] = []
      const decision: Decision = tier.limits.map(limit => {
        const id = `${key}:${tier.name}:${limit.name}`
        return limit.algorithm === 'sliding-log'
          ? checkLog(id, limit, cost, time, commits)
          : checkWindow(id, limit, cost, time, commits)
      })
      if (decision.every(state => state.allowed)) for (const commit of commits) commit()
      callback(null, decision)
    }
  }

  function checkWindow(
    id: string,
    { limit, window }: Limit,
    cost: number,
    time: number,
    commits: (() => void)[]
  ): LimitState {
    const index = Math.floor(time / window)
    let counter = counters.get(id)
    if (counter === undefined) {
      counter = { index, current: 0, previous: 0 }
      counters.set(id, counter)
    } else if (counter.index < index) {
      counter.previous = counter.index === index - 1 ? counter.current : 0
      counter.current = 0
      counter.index = index
    }
    const state = windowState(
      counter.current,
      counter.previous,
      time - counter.index * window,
      limit,
      window,
      cost
    )
    const committed = counter
    commits.push(() => {
      committed.current += cost
    })
    return state
  }

  function checkLog(
    id: string,
    { limit, window }: Limit,
    cost: number,
    time: number,
    commits: (() => void)[]
  ): LimitState {
    let log = logs.get(id)
    if (log === undefined) {
      log = []
      logs.set(id, log)
    }
    const expired = log.findIndex(entry => entry > time - window)
    log.splice(0, expired === -1 ? log.length : expired)
    const used = log.length
    const allowed = used + cost <= limit
    const freeing = allowed ? log[0] : log[used + cost - limit - 1]
    const committed = log
    commits.push(() => {
      for (let i = 0; i < cost; i++) committed.push(time)
    })
    return {
      allowed,
      remaining: allowed ? limit - used - cost : 0,
      reset: freeing === undefined ? window : freeing + window - time
    }
  }
}

interface Counter {
  /** Which window `current` counts: time divided by the window's length. */
  index: number
  current: number
  previous: number
}

/**
 * The sliding-window counter: of the previous window's requests, those are taken to be within the last `window` ms that
 * would be had they come evenly. `elapsed`: milliseconds of the current window.
 */
export function windowState(
  current: number,
  previous: number,
  elapsed: number,
  limit: number,
  window: number,
  cost: number
): LimitState {
  const used = current + previous * (1 - elapsed / window)
  if (used + cost <= limit)
    return { allowed: true, remaining: Math.floor(limit - used - cost), reset: window - elapsed }
  const room = limit - cost
  // Within this window once enough of the previous one has slid out, else within the next, whose previous is this one.
  const reset =
    current <= room
      ? window * (1 - (room - current) / previous) - elapsed
      : window - elapsed + window * (1 - Math.max(0, room) / current)
  return { allowed: false, remaining: 0, reset: Math.ceil(reset) }
}
