import type { BreakerState, BreakerTimes, BreakerTransition, OpeningCause } from './breaker-types.ts'

/** Changes that are kept. */
const MAX_HISTORY = 20

/** Keeps when a breaker changed its state, and why. */
export class BreakerHistory {
  #since = new Date().toISOString()
  #triedAt: string | undefined
  #state: BreakerState = 'closed'
  #transitions: BreakerTransition[] = []

  add(state: BreakerState, cause: OpeningCause | undefined): void {
    const now = new Date().toISOString()
    // A failed half-open request does not begin a new outage.
    if (state === 'closed' || this.#state === 'closed') {
      this.#since = now
      this.#triedAt = undefined
    }
    if (state === 'half-open') this.#triedAt = now
    this.#state = state
    this.#transitions.push({
      at: now,
      state,
      ...(state === 'open' && cause !== undefined && { cause })
    })
    if (this.#transitions.length > MAX_HISTORY) this.#transitions.shift()
  }

  /** @param until epoch ms; undefined unless the breaker is open */
  times(until: number | undefined): BreakerTimes {
    return {
      since: this.#since,
      ...(this.#triedAt !== undefined && { lastTriedAt: this.#triedAt }),
      ...(until !== undefined && { until: new Date(until).toISOString() }),
      history: [...this.#transitions]
    }
  }
}
