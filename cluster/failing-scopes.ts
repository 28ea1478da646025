import type { Rates } from './rates.ts'

/** Share of failed exchanges (5xx) from which on a scope fails, and below which it does not any more. */
const BEGINS = 0.05
export const ENDS = 0.03
/** Exchanges a second. Below, a single failure would be a large ratio. */
const MIN_RATE = 1

/** Tells which scopes fail, with two thresholds, so that a ratio near one of them does not flicker. */
export class FailingScopes {
  #since = new Map<string, number>()

  /** @param at start of the sample, in epoch milliseconds */
  update(scopes: readonly ({ scope: string } & Rates)[], at: number): void {
    const failing = new Map<string, number>()
    for (const { scope, rate, errorRatio } of scopes) {
      const before = this.#since.get(scope)
      if (rate >= MIN_RATE && (errorRatio ?? 0) >= (before === undefined ? BEGINS : ENDS))
        failing.set(scope, before ?? at)
    }
    this.#since = failing
  }

  /** Returns since when a scope fails; undefined if it does not. */
  since(scope: string): number | undefined {
    return this.#since.get(scope)
  }
}
