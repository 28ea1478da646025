/** When a counter grew, as far as samples tell. Times are epoch milliseconds. */
export interface Growth {
  /** Start of the samples in a row in which it grew; undefined unless it grew in the last one. */
  since: number | undefined
  /** How much it grew since then. */
  count: number
}

/** Tells whether a counter of the workers grew in the last sample. */
export class GrowingCounter implements Growth {
  readonly #last = new Map<number, number>()
  #more = 0
  since: number | undefined
  count = 0

  note(worker: number, value: number): void {
    this.#more += Math.max(0, value - (this.#last.get(worker) ?? 0))
    this.#last.set(worker, value)
  }

  settle(running: ReadonlySet<number>): void {
    if (this.#more === 0) {
      this.since = undefined
      this.count = 0
    } else {
      this.since ??= Date.now()
      this.count += this.#more
    }
    this.#more = 0
    for (const worker of this.#last.keys()) if (!running.has(worker)) this.#last.delete(worker)
  }
}
