import type { BatchSpanProcessorOptions, Sampler, SpanLimits } from '@opentelemetry/sdk-trace'
import { readVariable } from '../../environment-value.ts'

/**
 * Reads the variables of the OpenTelemetry specification that the SDK leaves to its caller. The exporters read
 * OTEL_EXPORTER_OTLP_… themselves, the detectors of resources OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES.
 */

const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio'
]

/** Packages of the exporters by the values of OTEL_EXPORTER_OTLP_PROTOCOL. */
const PROTOCOLS = { grpc: 'grpc', 'http/protobuf': 'proto', 'http/json': 'http' }

/** Returns the name of the package that exports a signal. */
export function exporterOf(signal: 'trace' | 'metrics'): string {
  const own = `OTEL_EXPORTER_OTLP_${signal === 'trace' ? 'TRACES' : 'METRICS'}_PROTOCOL`
  const variable = process.env[own] ? own : 'OTEL_EXPORTER_OTLP_PROTOCOL'
  const protocol = process.env[variable] || 'http/protobuf'
  if (!Object.hasOwn(PROTOCOLS, protocol))
    throw invalid(variable, protocol, Object.keys(PROTOCOLS).join(', '))
  return `@opentelemetry/exporter-${signal}-otlp-${PROTOCOLS[protocol as keyof typeof PROTOCOLS]}`
}

/** Variables with secrets for collectors. */
const HEADERS = ['', 'TRACES_', 'METRICS_'].map(signal => `OTEL_EXPORTER_OTLP_${signal}HEADERS`)

/** Sets the variables whose values are in files, since the exporters do not read files. */
export function readHeaderFiles(): void {
  for (const name of HEADERS) {
    const { value, file, fault } = readVariable(name, process.env)
    if (fault !== undefined) throw new Error(`otel: ${name}_FILE ${fault}`)
    if (file === undefined) continue
    process.env[name] = value
    // For the next app of this process both would be set.
    delete process.env[`${name}_FILE`]
  }
}

/**
 * Returns the sampler that OTEL_TRACES_SAMPLER names. Default: that of the parent, else a share of the new traces.
 * @param share 0 to 1
 */
export function samplerOf(sdk: typeof import('@opentelemetry/sdk-trace'), share: number): Sampler {
  const name = process.env.OTEL_TRACES_SAMPLER || undefined
  if (name === undefined) return new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(share) })
  if (!SAMPLERS.includes(name)) throw invalid('OTEL_TRACES_SAMPLER', name, SAMPLERS.join(', '))
  const root = name.endsWith('always_on')
    ? new sdk.AlwaysOnSampler()
    : name.endsWith('always_off')
      ? new sdk.AlwaysOffSampler()
      : new sdk.TraceIdRatioBasedSampler(numberOf('OTEL_TRACES_SAMPLER_ARG', 0, 1) ?? 1)
  return name.startsWith('parentbased_') ? new sdk.ParentBasedSampler({ root }) : root
}

/** Returns the limits of the queue of spans; undefined members have the SDK's defaults. */
export function batchOptions(): Omit<BatchSpanProcessorOptions, 'exporter'> {
  return defined({
    maxQueueSize: numberOf('OTEL_BSP_MAX_QUEUE_SIZE', 1),
    maxExportBatchSize: numberOf('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 1),
    scheduledDelayMillis: numberOf('OTEL_BSP_SCHEDULE_DELAY', 0),
    exportTimeoutMillis: numberOf('OTEL_BSP_EXPORT_TIMEOUT', 1)
  })
}

export function spanLimits(): SpanLimits {
  return defined({
    attributeCountLimit:
      numberOf('OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT', 1) ?? numberOf('OTEL_ATTRIBUTE_COUNT_LIMIT', 1),
    // Bounds paths and details of causes.
    attributeValueLengthLimit:
      numberOf('OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT', 1) ??
      numberOf('OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT', 1) ??
      MAX_VALUE,
    eventCountLimit: numberOf('OTEL_SPAN_EVENT_COUNT_LIMIT', 1),
    linkCountLimit: numberOf('OTEL_SPAN_LINK_COUNT_LIMIT', 1)
  })
}

/** Characters. */
const MAX_VALUE = 4_096

/** Milliseconds between exports of metrics, and for one of them. */
export function metricTimes(): { exportIntervalMillis: number; exportTimeoutMillis: number } {
  const exportIntervalMillis = numberOf('OTEL_METRIC_EXPORT_INTERVAL', 1) ?? 60_000
  const timeout = numberOf('OTEL_METRIC_EXPORT_TIMEOUT', 1) ?? 30_000
  return { exportIntervalMillis, exportTimeoutMillis: Math.min(timeout, exportIntervalMillis) }
}

/** True if OTEL_SDK_DISABLED turns the plugin off. */
export function isDisabled(): boolean {
  return process.env.OTEL_SDK_DISABLED?.toLowerCase() === 'true'
}

function numberOf(variable: string, minimum: number, maximum = Number.MAX_SAFE_INTEGER): number | undefined {
  const text = process.env[variable]
  if (!text) return undefined
  const value = Number(text)
  if (!(value >= minimum && value <= maximum))
    throw invalid(
      variable,
      text,
      maximum === Number.MAX_SAFE_INTEGER
        ? `a number from ${minimum}`
        : `a number from ${minimum} to ${maximum}`
    )
  return value
}

/** Leaves out undefined members, which would replace defaults. */
function defined<Type extends object>(object: Type): { [Name in keyof Type]?: NonNullable<Type[Name]> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as never
}

function invalid(variable: string, value: string, expected: string): Error {
  return new Error(`otel: ${variable} is ${value}; it must be ${expected}`)
}
