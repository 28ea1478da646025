/** Share of the elapsed time that a service must have had to be at fault. */
const FAIR_SHARE = 0.5
/** Milliseconds. No service gives up sooner on a client that does not read. */
const PATIENCE = 1_000

/**
 * How long a call has waited for the service alone: from the last byte of its request, less the time in which the client
 * did not read. The rest of a deadline went elsewhere: to the upload, the queue, earlier attempts, the issuer's keys.
 * Milliseconds, by `performance.now()`.
 */
export class ServiceTime {
  /** When the last piece of the request was sent. */
  since: number
  #paused = 0
  #pausedAt = 0

  constructor(since: number) {
    this.since = since
  }

  /** A piece of the request has been sent, or all of it. */
  sent(): void {
    this.since = performance.now()
  }

  /** The response is not read on. */
  pause(): void {
    if (this.#pausedAt === 0) this.#pausedAt = performance.now()
  }

  resume(): void {
    if (this.#pausedAt === 0) return
    this.#paused += performance.now() - this.#pausedAt
    this.#pausedAt = 0
  }

  /** True if the service had its share of the `elapsed` ms in which it was to respond. */
  isFairOf(elapsed: number): boolean {
    const now = performance.now()
    return now - this.since - this.#pausedUntil(now) >= elapsed * FAIR_SHARE
  }

  /** True if the client is why the response took so long that the service may have given up on it. */
  get isHeldUp(): boolean {
    const now = performance.now()
    const paused = this.#pausedUntil(now)
    return paused >= PATIENCE && paused > (now - this.since) * FAIR_SHARE
  }

  #pausedUntil(now: number): number {
    return this.#paused + (this.#pausedAt === 0 ? 0 : now - this.#pausedAt)
  }
}
