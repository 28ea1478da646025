/** One observation of a bucket with the trace that it belongs to, in prom-client's form. */
export interface Exemplar {
  labelSet: { trace_id: string }
  value: number
  /** Epoch seconds. */
  timestamp: number
}

/** Milliseconds for which a bucket keeps its exemplar. */
const INTERVAL = 1_000

/** The latest exemplar of each bucket of a series; a bucket takes at most one a second. */
export class Exemplars {
  readonly latest: (Exemplar | undefined)[] = []
  #dueAt: Float64Array

  constructor(buckets: number) {
    this.#dueAt = new Float64Array(buckets)
  }

  /** @param now monotonic milliseconds */
  isDue(bucket: number, now: number): boolean {
    return now >= (this.#dueAt[bucket] as number)
  }

  set(bucket: number, traceId: string, value: number, now: number): void {
    this.#dueAt[bucket] = now + INTERVAL
    // A copy, since the id is a slice of the text of many traces, all of which it would keep in memory.
    const trace_id = Buffer.from(traceId, 'latin1').toString('latin1')
    this.latest[bucket] = { labelSet: { trace_id }, value, timestamp: Date.now() / 1_000 }
  }
}

/** Returns the later one. */
export function laterExemplar(one: Exemplar | undefined, other: Exemplar | undefined): Exemplar | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return one.timestamp > other.timestamp ? one : other
}
