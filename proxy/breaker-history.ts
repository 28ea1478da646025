import type { BreakerState, BreakerTimes, BreakerTransition, OpeningCause } from './breaker-types.ts'

/** Changes that are kept. */
const MAX_HISTORY = 20

/** Keeps when a breaker changed its state, and why. */
export class BreakerHistory {
  #since = new Date().toISOString()
  #transitions: BreakerTransition[] = []

  add(state: BreakerState, cause: OpeningCause | undefined): void {
    this.#since = new Date().toISOString()
    this.#transitions.push({
      at: this.#since,
      state,
      ...(state === 'open' && cause !== undefined && { cause })
    })
    if (this.#transitions.length > MAX_HISTORY) this.#transitions.shift()
  }

  /** @param until epoch ms; undefined unless the breaker is open */
  times(until: number | undefined): BreakerTimes {
    return {
      since: this.#since,
      ...(until !== undefined && { until: new Date(until).toISOString() }),
      history: [...this.#transitions]
    }
  }
}
