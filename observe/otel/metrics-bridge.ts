import type { Attributes, HrTime } from '@opentelemetry/api'
import type { Resource } from '@opentelemetry/resources'
import type { MetricData, MetricProducer, PushMetricExporter } from '@opentelemetry/sdk-metrics'
import type { FastifyBaseLogger } from 'fastify'
import type { Registry } from 'prom-client'
import { version } from '../../package-version.ts'
import { metricTimes } from './environment.ts'
import { createExportLog, inTime } from './exports.ts'
import { loadMetrics, loadMetricsExporter } from './packages.ts'

/** A metric in prom-client's JSON, whose types leave out some members. */
interface PrometheusMetric {
  name: string
  help: string
  type: 'counter' | 'gauge' | 'histogram' | 'summary'
  values: { value: number; labels: Record<string, string | number>; metricName?: string }[]
}

/**
 * Exports the metrics of a registry by OTLP, with the names and labels that they have at `/metrics`. They are read when they
 * are exported, so requests pay nothing. Returns the function that ends the export.
 */
export async function exportMetrics(
  registry: Registry,
  resource: Resource,
  log: FastifyBaseLogger
): Promise<() => Promise<void>> {
  const [sdk, { OTLPMetricExporter }] = await Promise.all([loadMetrics(), loadMetricsExporter()])
  const startTime = toHrTime(Date.now())
  const producer: MetricProducer = {
    async collect() {
      const metrics = (await registry.getMetricsAsJSON()) as unknown as PrometheusMetric[]
      const endTime = toHrTime(Date.now())
      const scope = { name: 'sluice', version }
      const data = metrics.flatMap(metric => toMetricData(metric, startTime, endTime, sdk) ?? [])
      return { resourceMetrics: { resource, scopeMetrics: [{ scope, metrics: data }] }, errors: [] }
    }
  }
  const note = createExportLog(log, 'metrics')
  class LoggedExporter extends OTLPMetricExporter {
    override export(...[metrics, callback]: Parameters<PushMetricExporter['export']>): void {
      super.export(metrics, result => {
        note(result)
        callback(result)
      })
    }
  }
  const reader = new sdk.PeriodicExportingMetricReader({
    ...metricTimes(),
    exporter: new LoggedExporter(),
    metricProducers: [producer]
  })
  const provider = new sdk.MeterProvider({ resource, readers: [reader] })
  return () => inTime(provider.shutdown())
}

/** Returns undefined for a summary, of which the gateway has none. */
function toMetricData(
  { name, help, type, values }: PrometheusMetric,
  startTime: HrTime,
  endTime: HrTime,
  { AggregationTemporality, DataPointType }: Awaited<ReturnType<typeof loadMetrics>>
): MetricData | undefined {
  const common = {
    // ValueType.DOUBLE, which the exporter does not read.
    descriptor: { name, description: help, unit: '', valueType: 1 },
    aggregationTemporality: AggregationTemporality.CUMULATIVE
  }
  const toPoint = ({ value, labels }: PrometheusMetric['values'][number]) => ({
    ...{ startTime, endTime, value },
    attributes: labels
  })
  if (type === 'counter')
    return {
      ...common,
      dataPointType: DataPointType.SUM,
      isMonotonic: true,
      dataPoints: values.map(toPoint)
    }
  if (type === 'gauge')
    return { ...common, dataPointType: DataPointType.GAUGE, dataPoints: values.map(toPoint) }
  if (type !== 'histogram') return undefined
  const dataPoints = toHistograms(name, values).map(({ attributes, value }) => ({
    ...{ startTime, endTime, attributes, value }
  }))
  return { ...common, dataPointType: DataPointType.HISTOGRAM, dataPoints }
}

/** Converts Prometheus' cumulated buckets, one sample each, to the counts of one point for each set of labels. */
function toHistograms(name: string, values: PrometheusMetric['values']) {
  const points = new Map<
    string,
    {
      attributes: Attributes
      value: { buckets: { boundaries: number[]; counts: number[] }; sum: number; count: number }
      cumulated: number
    }
  >()
  for (const { metricName, value, labels } of values) {
    const { le, ...attributes } = labels
    const key = JSON.stringify(attributes)
    let point = points.get(key)
    if (point === undefined) {
      point = {
        attributes,
        value: { buckets: { boundaries: [], counts: [] }, sum: 0, count: 0 },
        cumulated: 0
      }
      points.set(key, point)
    }
    const { buckets } = point.value
    if (metricName === `${name}_sum`) point.value.sum = value
    else if (metricName === `${name}_count`) point.value.count = value
    else {
      if (le !== '+Inf') buckets.boundaries.push(Number(le))
      buckets.counts.push(value - point.cumulated)
      point.cumulated = value
    }
  }
  return points.values().toArray()
}

function toHrTime(epochMs: number): HrTime {
  return [Math.floor(epochMs / 1_000), (epochMs % 1_000) * 1_000_000]
}
