import { AggregatorRegistry, openMetricsContentType, type Registry } from 'prom-client'
import { type Exemplar, laterExemplar } from '../../observe/exemplars.ts'
import { type Metrics, type MetricsFormat, namedFor } from '../../observe/metrics-text.ts'

/** Its types do not declare the members of histograms. Those of prom-client itself have `exemplar: null`. */
type TracedValue = Metrics[number]['values'][number] & { metricName?: string; exemplar?: Exemplar | null }

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
        const before = values[at] as TracedValue
        values[at] = { ...before, value: before.value + value.value }
      } else if (count < MAX_SERIES) {
        count++
        values.push(value)
      }
    }
  }
  return [...metrics.values()]
}

function seriesOf({ labels, metricName = '' }: TracedValue): string {
  return JSON.stringify([metricName, Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))])
}

/** Returns the metrics as text, aggregated as each metric declares: sums, or the maximum of a state. */
export function toText(given: Metrics[], format: MetricsFormat): Promise<string> {
  const parts = given.map(metrics => namedFor(format, metrics))
  // Its types do not declare the second parameter.
  const aggregate = AggregatorRegistry.aggregate as (parts: Metrics[], format: MetricsFormat) => Registry
  const registry = aggregate(parts, format)
  if (format === openMetricsContentType) addExemplars(registry, parts)
  return registry.metrics()
}

/** Adds the latest exemplar of each series, since prom-client's aggregation drops them. */
function addExemplars(registry: Registry, parts: Metrics[]): void {
  const latest = new Map<string, Exemplar>()
  for (const { name, values } of parts.flat())
    for (const value of values as TracedValue[])
      if (value.exemplar) {
        const key = `${name} ${seriesOf(value)}`
        latest.set(key, laterExemplar(latest.get(key), value.exemplar) as Exemplar)
      }
  const names = new Set([...latest.keys()].map(key => key.slice(0, key.indexOf(' '))))
  for (const name of names) {
    const { values } = registry.getSingleMetric(name) as unknown as { values: TracedValue[] }
    for (const value of values) {
      const exemplar = latest.get(`${name} ${seriesOf(value)}`)
      if (exemplar !== undefined) value.exemplar = exemplar
    }
  }
}
