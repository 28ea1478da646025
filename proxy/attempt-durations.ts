import { createSeries, observe, type Series } from '../observe/histogram.ts'
import type { Outcome } from './breaker-types.ts'

/** Durations of the attempts at one upstream, by their outcome. */
export class AttemptDurations {
  readonly series: Record<string, Series> = {
    success: createSeries(),
    answered: createSeries(),
    failure: createSeries()
  }

  /** Neutral outcomes are not observed. */
  observe(outcome: Outcome, ms: number): void {
    if (outcome !== 'neutral') observe(this.series[outcome] as Series, ms / 1_000)
  }
}
