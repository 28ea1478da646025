/** Share of the elapsed time that a service must have had to be at fault. */
const FAIR_SHARE = 0.5
/** Milliseconds. No service closes sooner because a client does not read. */
const PATIENCE = 1_000

/**
 * Measures how long a call has waited for the service: from the last byte of its request, without the time in which the
 * client did not read. Uploads, queues, earlier attempts and the wait for keys do not count. Milliseconds by
 * `performance.now()`.
 */
export class ServiceTime {
  /** Time at which the last piece of the request was sent. */
  since: number
  #paused = 0
  #pausedAt = 0

  constructor(since: number) {
    this.since = since
  }

  /** Notes that a piece of the request was sent. */
  sent(): void {
    this.since = performance.now()
  }

  /** Notes that the client does not read. */
  pause(): void {
    if (this.#pausedAt === 0) this.#pausedAt = performance.now()
  }

  resume(): void {
    if (this.#pausedAt === 0) return
    this.#paused += performance.now() - this.#pausedAt
    this.#pausedAt = 0
  }

  /** Returns true if the service had at least half of the `elapsed` ms. */
  isFairOf(elapsed: number): boolean {
    const now = performance.now()
    return now - this.since - this.#pausedUntil(now) >= elapsed * FAIR_SHARE
  }

  /** True if the client has not read for so long that the service may have given up. */
  get isHeldUp(): boolean {
    const now = performance.now()
    const paused = this.#pausedUntil(now)
    return paused >= PATIENCE && paused > (now - this.since) * FAIR_SHARE
  }

  #pausedUntil(now: number): number {
    return this.#paused + (this.#pausedAt === 0 ? 0 : now - this.#pausedAt)
  }
}
