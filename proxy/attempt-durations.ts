import type { Metric, Registry } from 'prom-client'
import { createSeries, observe, type Series, valuesOf } from '../observe/histogram.ts'
import type { Outcome } from './breaker.ts'

/** How long the attempts at an upstream take, by what they come to. */
export class AttemptDurations {
  readonly series: Record<string, Series> = {
    success: createSeries(),
    answered: createSeries(),
    failure: createSeries()
  }

  /** Of one that taught nothing, nothing is learned. */
  observe(outcome: Outcome, ms: number): void {
    if (outcome !== 'neutral') observe(this.series[outcome] as Series, ms / 1_000)
  }
}

/** Makes them for one upstream after the other, and shows them to `registry`. */
export function createAttemptDurations(registry: Registry): (upstream: string) => AttemptDurations {
  const name = 'sluice_upstream_duration_seconds'
  const all = new Map<string, AttemptDurations>()
  const help = 'From an attempt to the head of its answer, or to its failure'
  registry.registerMetric({
    name,
    help,
    get: () => ({
      name,
      help,
      type: 'histogram',
      values: [...all].flatMap(([upstream, { series }]) =>
        Object.entries(series).flatMap(([outcome, each]) => valuesOf(name, { upstream, outcome }, each))
      ),
      aggregator: 'sum'
    }),
    reset: () => all.clear()
  } as unknown as Metric)

  return upstream => {
    const durations = new AttemptDurations()
    all.set(upstream, durations)
    return durations
  }
}
