/** What is due, and between what. Kept by `Deadlines`. */
export abstract class Due {
  /** By `performance.now()`; 0 if it never was to be. */
  dueAt = 0
  isDue = false
  earlier: Due | undefined = undefined
  later: Due | undefined = undefined

  abstract expire(): void
}

/**
 * Deadlines of one length, of which hardly any is ever met: in the order in which they are due, with one timer for the
 * first. One of node's timers for each would cost as much as finding its route.
 */
export class Deadlines {
  readonly ms: number
  #first: Due | undefined
  #last: Due | undefined
  #timer: NodeJS.Timeout | undefined
  #firesAt = Number.POSITIVE_INFINITY

  /** `ms` from the start of what is due to its deadline. */
  constructor(ms: number) {
    this.ms = ms
  }

  /** `startedAt` by `performance.now()`: not long ago, so the place is looked for from the end. */
  add(due: Due, startedAt: number): void {
    due.dueAt = startedAt + this.ms
    due.isDue = true
    let earlier = this.#last
    while (earlier !== undefined && earlier.dueAt > due.dueAt) earlier = earlier.earlier
    const later = earlier === undefined ? this.#first : earlier.later
    due.earlier = earlier
    due.later = later
    if (earlier === undefined) this.#first = due
    else earlier.later = due
    if (later === undefined) this.#last = due
    else later.earlier = due
    if (due.dueAt < this.#firesAt) this.#arm(due.dueAt)
  }

  /** The timer stays: there may be another first by then. */
  remove(due: Due): void {
    if (!due.isDue) return
    due.isDue = false
    const { earlier, later } = due
    if (earlier === undefined) this.#first = later
    else earlier.later = later
    if (later === undefined) this.#last = earlier
    else later.earlier = earlier
    due.earlier = due.later = undefined
  }

  #arm(dueAt: number): void {
    clearTimeout(this.#timer)
    this.#firesAt = dueAt
    // The connections of what is due keep the process up, if anything is to.
    this.#timer = setTimeout(
      Deadlines.#fire,
      Math.min(MAX_DELAY, Math.max(1, Math.ceil(dueAt - performance.now()))),
      this
    ).unref()
  }

  /**
   * After a process was stopped, its timers run first. Reads what has arrived meanwhile before it calls anything late.
   */
  static #fire(deadlines: Deadlines): void {
    setImmediate(Deadlines.#expire, deadlines)
  }

  static #expire(deadlines: Deadlines): void {
    deadlines.#firesAt = Number.POSITIVE_INFINITY
    const now = performance.now()
    for (let due = deadlines.#first; due !== undefined && due.dueAt <= now; due = deadlines.#first) {
      deadlines.remove(due)
      due.expire()
    }
    // What expired may have begun something that armed the timer again.
    const first = deadlines.#first
    if (first !== undefined && first.dueAt < deadlines.#firesAt) deadlines.#arm(first.dueAt)
  }
}

/** Milliseconds: of a longer one node makes one. */
const MAX_DELAY = 2_147_483_647
