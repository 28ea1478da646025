import { type Metric, openMetricsContentType, prometheusContentType, Registry } from 'prom-client'
import { parseAccept } from '../http/accept.ts'

/** Metrics in prom-client's JSON form. */
export type Metrics = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

/** Content type of a text format of metrics. */
export type MetricsFormat = typeof prometheusContentType | typeof openMetricsContentType

/** Returns OpenMetrics if `Accept` names it and does not prefer plain text, else Prometheus' text format. */
export function chooseFormat(accept: string | undefined): MetricsFormat {
  let openMetrics = 0
  let text = 0
  for (const { type, weight } of parseAccept(accept ?? '')) {
    if (type === 'application/openmetrics-text') openMetrics = Math.max(openMetrics, weight)
    if (type === 'text/plain') text = Math.max(text, weight)
  }
  return openMetrics > 0 && openMetrics >= text ? openMetricsContentType : prometheusContentType
}

/** Returns the metrics of a registry as text. Only OpenMetrics has exemplars. */
export async function textOf(registry: Registry, format: MetricsFormat): Promise<string> {
  if (format === prometheusContentType) return registry.metrics()
  const copy = new Registry<typeof openMetricsContentType>()
  copy.setContentType(openMetricsContentType)
  for (const metric of namedFor(format, await registry.getMetricsAsJSON()))
    copy.registerMetric({ ...metric, get: () => metric } as unknown as Metric)
  return copy.metrics()
}

/** Returns metrics with the names that prom-client wants: for OpenMetrics it appends `_total` to those of counters itself. */
export function namedFor(format: MetricsFormat, metrics: Metrics): Metrics {
  if (format === prometheusContentType) return metrics
  return metrics.map(metric => ({
    ...metric,
    name: isCounter(metric) ? metric.name.replace(/_total$/, '') : metric.name
  }))
}

// prom-client's types do not declare the member `type`.
function isCounter({ type }: Metrics[number]): boolean {
  return (type as unknown as string) === 'counter'
}
