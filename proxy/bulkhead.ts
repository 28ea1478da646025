/**
 * How many calls to an upstream are under way at once, and how many wait in line for a place: no queue without an end,
 * so that what waits for one service cannot fill the gateway.
 */
export interface Bulkhead {
  /** True, and counted, if there is neither a place nor one in the line. */
  turnsAway(): boolean
  /** Starts the call, now or in its turn. */
  enter(call: Waiting): void
  /** Takes a call out of the line. False if it does not wait. */
  leave(call: Waiting): boolean
  /** A call that was started has ended. */
  done(): void
  counts(): BulkheadCounts
}

export interface Waiting {
  /** `hasWaited`: in line, so that what was true when it came may no longer be. */
  start(hasWaited: boolean): void
}

export interface BulkheadCounts {
  running: number
  queued: number
  /** Since the start. */
  rejected: number
}

/** `max`: asked anew for each call, since it may be of what DNS says. */
export function createBulkhead(max: () => number, queue: number): Bulkhead {
  // In order, and each can leave at once.
  const line = new Set<Waiting>()
  let running = 0
  let rejected = 0
  let isCalling = false

  return {
    turnsAway() {
      if (running < max() || line.size < queue) return false
      rejected++
      return true
    },
    enter(call) {
      if (running >= max()) return void line.add(call)
      running++
      call.start(false)
    },
    leave: call => line.delete(call),
    done() {
      running--
      // A call that ends as it starts comes back here; the loop below goes on with it, not the stack.
      if (line.size === 0 || isCalling) return
      isCalling = true
      try {
        for (const call of line) {
          if (running >= max()) break
          line.delete(call)
          running++
          call.start(true)
        }
      } finally {
        isCalling = false
      }
    },
    counts: () => ({ running, queued: line.size, rejected })
  }
}
