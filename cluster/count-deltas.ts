import { ERRORS, type ExchangeCounts, noCounts, REJECTIONS } from '../observe/exchange-counts.ts'

/** Counts of one worker by scope or route. */
export type NamedCounts = Record<string, ExchangeCounts>

/** Exchanges between two readings. */
export interface CountDelta {
  counts: ExchangeCounts
  /** Exchanges a second. */
  rate: number
}

/**
 * Adds up what several workers have counted since their previous reading. A worker that was read late counts with its rate
 * since then, and one that has ended with its final counters, so that neither causes a peak or a gap. Times are
 * milliseconds of a monotonic clock.
 */
export class CountDeltas {
  readonly #last = new Map<number, { counts: NamedCounts; at: number; isFinal: boolean }>()
  readonly #max: number
  #deltas = new Map<string, CountDelta>()
  /** Exchanges of workers that have ended in this interval, by name. */
  #ended = new Map<string, number>()
  #takenAt: number

  /** @param max names at most; beyond, they are left out */
  constructor(max: number, now: number) {
    this.#max = max
    this.#takenAt = now
  }

  /** Adds what a worker has counted since its previous reading, or since it started. */
  read(worker: number, counts: NamedCounts, now: number): void {
    const last = this.#last.get(worker)
    // A response that was overtaken by the final counters.
    if (last?.isFinal) return
    const seconds = Math.max(1, now - (last?.at ?? this.#takenAt)) / 1_000
    this.#add(counts, last?.counts, (delta, _name, exchanges) => {
      delta.rate += exchanges / seconds
    })
    this.#last.set(worker, { counts, at: now, isFinal: false })
  }

  /** Adds the final counters of a worker. */
  end(worker: number, counts: NamedCounts): void {
    const last = this.#last.get(worker)
    if (last?.isFinal) return
    this.#add(counts, last?.counts, (_delta, name, exchanges) =>
      this.#ended.set(name, (this.#ended.get(name) ?? 0) + exchanges)
    )
    this.#last.set(worker, { counts: {}, at: 0, isFinal: true })
  }

  /** Returns the deltas by name since the previous call. Forgets workers that do not run any more. */
  take(running: ReadonlySet<number>, now: number): Map<string, CountDelta> {
    const seconds = Math.max(1, now - this.#takenAt) / 1_000
    const deltas = this.#deltas
    for (const [name, exchanges] of this.#ended) (deltas.get(name) as CountDelta).rate += exchanges / seconds
    for (const worker of this.#last.keys()) if (!running.has(worker)) this.#last.delete(worker)
    this.#deltas = new Map()
    this.#ended = new Map()
    this.#takenAt = now
    return deltas
  }

  #add(
    counts: NamedCounts,
    before: NamedCounts | undefined,
    onDelta: (delta: CountDelta, name: string, exchanges: number) => void
  ): void {
    for (const [name, now] of Object.entries(counts)) {
      let delta = this.#deltas.get(name)
      if (delta === undefined) {
        if (this.#deltas.size === this.#max) continue
        delta = { counts: noCounts(), rate: 0 }
        this.#deltas.set(name, delta)
      }
      let exchanges = 0
      for (let i = 0; i <= REJECTIONS; i++) {
        const more = Math.max(0, (now[i] ?? 0) - (before?.[name]?.[i] ?? 0))
        delta.counts[i] = (delta.counts[i] as number) + more
        if (i < ERRORS) exchanges += more
      }
      onDelta(delta, name, exchanges)
    }
  }
}
