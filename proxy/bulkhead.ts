/** Limits the calls in progress to an upstream, and those that wait for a place, so that one service cannot fill the gateway. */
export interface Bulkhead {
  /** Returns true, and counts, if there is neither a place nor room in the queue. */
  tryReject(): boolean
  /** Starts the call, now or in its turn. */
  enter(call: QueuedCall): void
  /** Takes a call out of the queue. Returns false if it does not wait. */
  leave(call: QueuedCall): boolean
  /** Frees the place of a call that was started. */
  done(): void
  counts(): BulkheadCounts
}

export interface QueuedCall {
  /** @param hasWaited true after a wait in the queue: the breaker may have opened since */
  start(hasWaited: boolean): void
}

export interface BulkheadCounts {
  running: number
  queued: number
  /** Since the start. */
  rejected: number
}

/** `max` is called for each call, since it may depend on the number of endpoints in DNS. */
export function createBulkhead(max: () => number, maxQueued: number): Bulkhead {
  // A set keeps the order, and a call leaves in constant time.
  const queued = new Set<QueuedCall>()
  let running = 0
  let rejected = 0
  let isCalling = false

  return {
    tryReject() {
      if (running < max() || queued.size < maxQueued) return false
      rejected++
      return true
    },
    enter(call) {
      if (running >= max()) return void queued.add(call)
      running++
      call.start(false)
    },
    leave: call => queued.delete(call),
    done() {
      running--
      // A call that ends while it starts calls this again: the loop goes on, not the recursion.
      if (queued.size === 0 || isCalling) return
      isCalling = true
      try {
        for (const call of queued) {
          if (running >= max()) break
          queued.delete(call)
          running++
          call.start(true)
        }
      } finally {
        isCalling = false
      }
    },
    counts: () => ({ running, queued: queued.size, rejected })
  }
}
