import type { RetryOptions } from '../schemas/options/upstreams.ts'

export interface RetryBudget {
  /** Counts a call. `now`: milliseconds by `performance.now()`. */
  call(now: number): void
  /** Returns true, and counts, if a retry is allowed. */
  take(now: number): boolean
}

/** Counts calls and retries of about the last second: the current one, and the rest of a second from the one before. */
export function createRetryBudget({ ratio, floor }: RetryOptions['budget']): RetryBudget {
  let second = 0
  let calls = 0
  let retries = 0
  let callsBefore = 0
  let retriesBefore = 0

  return {
    call(now) {
      turn(now)
      calls++
    },
    take(now) {
      turn(now)
      const rest = 1 - (now / 1000 - second)
      if (retries + retriesBefore * rest + 1 > Math.max(floor, ratio * (calls + callsBefore * rest)))
        return false
      retries++
      return true
    }
  }

  function turn(now: number): void {
    const current = Math.floor(now / 1000)
    if (current === second) return
    const isNext = current === second + 1
    callsBefore = isNext ? calls : 0
    retriesBefore = isNext ? retries : 0
    calls = retries = 0
    second = current
  }
}
