/** Time at which a call failed, and its endpoint if the upstream has several, else undefined ('' between processes). */
export type Failure = readonly [at: number, endpoint: unknown]

/** Failures that are kept. More are only counted. */
const MAX_KEPT = 1_024

/**
 * The failures in a row of an upstream, in the order in which the calls ended. Several processes report them, so they
 * arrive in any order; with equal times, the later arrival is the later one. Times are ms of one clock.
 */
export class FailureRun {
  #failures: Failure[] = []
  /** Number of older failures that are not kept. */
  #dropped = 0
  #successAt = Number.NEGATIVE_INFINITY

  get isEmpty(): boolean {
    return this.#failures.length === 0
  }

  get failures(): readonly Failure[] {
    return this.#failures
  }

  fail(at: number, endpoint?: unknown): void {
    if (at < this.#successAt) return
    const failures = this.#failures
    let index = failures.length
    while (index > 0 && (failures[index - 1] as Failure)[0] > at) index--
    failures.splice(index, 0, [at, endpoint])
    if (failures.length <= MAX_KEPT) return
    failures.shift()
    this.#dropped++
  }

  /** Ends the run: forgets failures up to `at`. */
  succeed(at: number): void {
    if (at < this.#successAt) return
    this.#successAt = at
    if (this.isEmpty) return
    this.#failures = this.#failures.filter(failure => failure[0] > at)
    this.#dropped = 0
  }

  /** Returns true from `limit` failures in a row, unless all are of one endpoint of several, which is ejected instead. */
  reaches(limit: number): boolean {
    const failures = this.#failures
    if (failures.length + this.#dropped < limit) return false
    const endpoint = failures[0]?.[1]
    return endpoint === undefined || failures.some(failure => failure[1] !== endpoint)
  }

  clear(): void {
    this.#failures = []
    this.#dropped = 0
  }
}
