/** Counts of ended calls by outcome. A 4xx is a call, but neither success nor failure. */
export interface OutcomeCounts {
  calls: number
  successes: number
  failures: number
  slow: number
}

const BUCKETS = 10

/** Counts outcomes of the last `ms`, with a precision of a tenth. Needs no timer: the caller passes the time. */
export class OutcomeWindow {
  #width: number
  #buckets: OutcomeCounts[] = []
  #current = 0

  constructor(ms: number) {
    this.#width = ms / BUCKETS
    this.clear()
  }

  /** Returns the counts to add to at this time. */
  at(now: number): OutcomeCounts {
    const current = Math.floor(now / this.#width)
    const passed = Math.min(BUCKETS, current - this.#current)
    for (let i = 0; i < passed; i++) this.#buckets[(current - i + BUCKETS) % BUCKETS] = none()
    if (passed > 0) this.#current = current
    return this.#buckets[this.#current % BUCKETS] as OutcomeCounts
  }

  total(now: number): OutcomeCounts {
    this.at(now)
    const total = none()
    for (const counts of this.#buckets) addCounts(total, counts)
    return total
  }

  clear(): void {
    this.#buckets = Array.from({ length: BUCKETS }, none)
  }
}

function none(): OutcomeCounts {
  return { calls: 0, successes: 0, failures: 0, slow: 0 }
}

export function addCounts(total: OutcomeCounts, { calls, successes, failures, slow }: OutcomeCounts): void {
  total.calls += calls
  total.successes += successes
  total.failures += failures
  total.slow += slow
}
