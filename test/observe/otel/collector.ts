import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { buildGo } from '../../go.ts'
import type { Ending } from '../../harness.ts'

/** The OTLP receiver of the OpenTelemetry Collector, in a program of its own. */

const SOURCES = join(import.meta.dirname, 'collector')
const PROGRAM = join(import.meta.dirname, '../../../.tap/otel-collector')

export interface Collector {
  /** `host:port` of each protocol. */
  grpc: string
  http: string
  /** Spans that it has received so far. */
  spans: ReceivedSpan[]
  /** Metrics that it has received so far; later ones of the same name replace earlier ones. */
  metrics: Map<string, ReceivedMetric>
  /** Attributes of the process that sent last. */
  resource: Record<string, Value>
  stop(): void
}

export type Value = string | number | boolean | undefined

export interface ReceivedSpan {
  traceId: string
  spanId: string
  parentSpanId: string
  traceState: string
  name: string
  kind: 'INTERNAL' | 'SERVER' | 'CLIENT'
  attributes: Record<string, Value>
  links: { traceId: string; spanId: string }[]
  isError: boolean
  /** Nanoseconds. */
  start: bigint
  end: bigint
}

export interface ReceivedMetric {
  name: string
  description: string
  /** A metric without points has no `dataPoints`. */
  sum?: { dataPoints?: Point[]; isMonotonic: boolean }
  gauge?: { dataPoints?: Point[] }
  histogram?: { dataPoints?: Point[] }
}

interface Point {
  attributes: Record<string, Value>
  asDouble?: number
  count?: string
  sum?: number
  bucketCounts?: string[]
  explicitBounds?: number[]
}

/** Builds the collector if its sources have changed: for minutes the first time. */
export function buildCollector(): void {
  buildGo(SOURCES, PROGRAM)
}

export async function startCollector(t: Ending): Promise<Collector> {
  buildCollector()
  const child = spawn(PROGRAM, { stdio: ['pipe', 'pipe', 'inherit'] })
  const stop = () => void child.stdin.end()
  t.teardown(stop)
  const lines = createInterface({ input: child.stdout })
  const [first] = await once(lines, 'line')
  const collector: Collector = { ...JSON.parse(first), spans: [], metrics: new Map(), resource: {}, stop }
  lines.on('line', line => receive(collector, JSON.parse(line)))
  return collector
}

function receive(collector: Collector, { resourceSpans = [], resourceMetrics = [] }: any): void {
  for (const { resource, scopeSpans = [] } of resourceSpans) {
    collector.resource = toObject(resource.attributes)
    for (const { spans = [] } of scopeSpans) collector.spans.push(...spans.map(toSpan))
  }
  for (const { resource, scopeMetrics = [] } of resourceMetrics) {
    collector.resource = toObject(resource.attributes)
    for (const { metrics = [] } of scopeMetrics)
      for (const metric of metrics) {
        for (const data of [metric.sum, metric.gauge, metric.histogram])
          for (const point of data?.dataPoints ?? []) point.attributes = toObject(point.attributes)
        collector.metrics.set(metric.name, metric)
      }
  }
}

const KINDS = [undefined, 'INTERNAL', 'SERVER', 'CLIENT']

function toSpan({ parentSpanId = '', traceState = '', links = [], ...span }: any): ReceivedSpan {
  const { traceId, spanId, name, kind, attributes, status, startTimeUnixNano, endTimeUnixNano } = span
  return {
    ...{ traceId, spanId, parentSpanId, traceState, name, kind: KINDS[kind] as ReceivedSpan['kind'] },
    attributes: toObject(attributes),
    links: links.map(({ traceId, spanId }: ReceivedSpan) => ({ traceId, spanId })),
    isError: status?.code === 2,
    start: BigInt(startTimeUnixNano),
    end: BigInt(endTimeUnixNano)
  }
}

interface Attribute {
  key: string
  value: { stringValue?: string; intValue?: string; doubleValue?: number; boolValue?: boolean }
}

function toObject(attributes: Attribute[] = []): Record<string, Value> {
  return Object.fromEntries(
    attributes.map(({ key, value: { stringValue, intValue, doubleValue, boolValue } }) => [
      key,
      stringValue ?? (intValue === undefined ? (doubleValue ?? boolValue) : Number(intValue))
    ])
  )
}
