import { AggregatorRegistry, type Registry } from 'prom-client'

/** prom-client's metrics, as it says them as JSON. */
export type Metrics = Awaited<ReturnType<Registry['getMetricsAsJSON']>>
type Value = Metrics[number]['values'][number]

/** Series that are kept of workers that have ended. */
const MAX_SERIES = 50_000

/** What only ever grows, so that it has to outlive a worker. */
export function countersOf(metrics: Metrics): Metrics {
  return metrics.filter(isCounter)
}

/** What is only so at the moment. What has no number yet (a delay that nobody measured) is left out. */
export function gaugesOf(metrics: Metrics): Metrics {
  return metrics
    .filter(metric => !isCounter(metric))
    .map(metric => ({ ...metric, values: metric.values.filter(({ value }) => Number.isFinite(value)) }))
}

function isCounter({ type }: Metrics[number]): boolean {
  // A type by itself, which prom-client's types do not say.
  return ['counter', 'histogram', 'summary'].includes(type as unknown as string)
}

/** The sum of counters; beyond `MAX_SERIES`, series that were not there yet are dropped. */
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

/** All of them as one text, by what each metric says how: sums, but for the worst of a state. */
export function toText(parts: Metrics[]): Promise<string> {
  return AggregatorRegistry.aggregate(parts).metrics()
}
