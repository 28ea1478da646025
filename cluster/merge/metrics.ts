import { AggregatorRegistry, type Registry } from 'prom-client'

/** Metrics in prom-client's JSON form. */
export type Metrics = Awaited<ReturnType<Registry['getMetricsAsJSON']>>
type Value = Metrics[number]['values'][number]

/** Series kept for workers that have ended. */
const MAX_SERIES = 50_000

/** Returns counters and histograms: they must not drop when a worker ends. */
export function countersOf(metrics: Metrics): Metrics {
  return metrics.filter(isCounter)
}

/** Returns gauges, without those that have no value yet. */
export function gaugesOf(metrics: Metrics): Metrics {
  return metrics
    .filter(metric => !isCounter(metric))
    .map(metric => ({ ...metric, values: metric.values.filter(({ value }) => Number.isFinite(value)) }))
}

function isCounter({ type }: Metrics[number]): boolean {
  // prom-client's types do not declare the member `type`.
  return ['counter', 'histogram', 'summary'].includes(type as unknown as string)
}

/** Adds counters. Beyond `MAX_SERIES`, new series are dropped. */
export function addCounters(total: Metrics = [], one: Metrics): Metrics {
  const metrics = new Map(total.map(metric => [metric.name, { ...metric, values: [...metric.values] }]))
  let count = total.reduce((sum, { values }) => sum + values.length, 0)
  for (const metric of one) {
    const known = metrics.get(metric.name)
    if (known === undefined) metrics.set(metric.name, { ...metric, values: [] })
    const { values } = metrics.get(metric.name) as Metrics[number]
    const series = new Map(values.map((value, i) => [seriesOf(value), i]))
    for (const value of metric.values) {
      const at = series.get(seriesOf(value))
      if (at !== undefined) {
        const before = values[at] as Value
        values[at] = { ...before, value: before.value + value.value }
      } else if (count < MAX_SERIES) {
        count++
        values.push(value)
      }
    }
  }
  return [...metrics.values()]
}

function seriesOf({ labels, ...value }: Value): string {
  const { metricName = '' } = value as { metricName?: string }
  return JSON.stringify([metricName, Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))])
}

/** Returns the metrics in Prometheus' text format, aggregated as each metric declares: sums, or the maximum of a state. */
export function toText(parts: Metrics[]): Promise<string> {
  return AggregatorRegistry.aggregate(parts).metrics()
}
