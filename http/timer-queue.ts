/** An entry of a `TimerQueue`, linked to its neighbours. */
export abstract class TimerEntry {
  /** Time of expiry by `performance.now()`; 0 before the entry is first added. */
  dueAt = 0
  isQueued = false
  previous: TimerEntry | undefined = undefined
  next: TimerEntry | undefined = undefined

  /** Called once, at or after `dueAt`, unless the entry is removed before. */
  abstract expire(): void
}

/**
 * Timeouts of one length, sorted by expiry, with one Node timer for the first. Hardly any of them expires: a Node timer
 * for each exchange would cost as much as finding its route.
 */
export class TimerQueue {
  /** Milliseconds from the start of an entry to its expiry. */
  readonly ms: number
  #first: TimerEntry | undefined
  #last: TimerEntry | undefined
  #timer: NodeJS.Timeout | undefined
  #firesAt = Number.POSITIVE_INFINITY

  constructor(ms: number) {
    this.ms = ms
  }

  /**
   * Adds an entry. Searches its place from the end, since entries usually started just now.
   * @param startedAt by `performance.now()`
   */
  add(entry: TimerEntry, startedAt: number): void {
    entry.dueAt = startedAt + this.ms
    entry.isQueued = true
    let previous = this.#last
    while (previous !== undefined && previous.dueAt > entry.dueAt) previous = previous.previous
    const next = previous === undefined ? this.#first : previous.next
    entry.previous = previous
    entry.next = next
    if (previous === undefined) this.#first = entry
    else previous.next = entry
    if (next === undefined) this.#last = entry
    else next.previous = entry
    if (entry.dueAt < this.#firesAt) this.#arm(entry.dueAt)
  }

  /** Removes an entry. Leaves the timer, since another entry may be first by then. */
  remove(entry: TimerEntry): void {
    if (!entry.isQueued) return
    entry.isQueued = false
    const { previous, next } = entry
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    entry.previous = entry.next = undefined
  }

  #arm(dueAt: number): void {
    clearTimeout(this.#timer)
    this.#firesAt = dueAt
    // Unreferenced: the connections of the entries keep the process alive.
    this.#timer = setTimeout(
      TimerQueue.#fire,
      Math.min(MAX_DELAY, Math.max(1, Math.ceil(dueAt - performance.now()))),
      this
    ).unref()
  }

  /** Timers run before I/O after a process was suspended: read what has arrived before anything expires. */
  static #fire(queue: TimerQueue): void {
    setImmediate(TimerQueue.#expire, queue)
  }

  static #expire(queue: TimerQueue): void {
    queue.#firesAt = Number.POSITIVE_INFINITY
    const now = performance.now()
    for (let entry = queue.#first; entry !== undefined && entry.dueAt <= now; entry = queue.#first) {
      queue.remove(entry)
      entry.expire()
    }
    // An expired entry may have added another and so armed the timer.
    const first = queue.#first
    if (first !== undefined && first.dueAt < queue.#firesAt) queue.#arm(first.dueAt)
  }
}

/** Milliseconds; Node replaces longer delays by 1. */
const MAX_DELAY = 2_147_483_647
