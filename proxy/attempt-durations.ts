import type { Metric, Registry } from 'prom-client'
import { createSeries, observe, type Series, valuesOf } from '../observe/histogram.ts'
import type { Outcome } from './breaker.ts'
import type { Upstream } from './upstream.ts'

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

/** Adds the durations of all upstreams to `registry`. */
export function addAttemptDurations(registry: Registry, upstreamsOf: () => readonly Upstream[]): void {
  const name = 'sluice_upstream_duration_seconds'
  const help = 'From an attempt to the headers of its response, or to its failure'
  registry.registerMetric({
    name,
    help,
    get: () => ({
      name,
      help,
      type: 'histogram',
      values: upstreamsOf().flatMap(({ name: upstream, durations }) =>
        Object.entries(durations?.series ?? {}).flatMap(([outcome, series]) =>
          valuesOf(name, { upstream, outcome }, series)
        )
      ),
      aggregator: 'sum'
    }),
    reset() {}
  } as unknown as Metric)
}
