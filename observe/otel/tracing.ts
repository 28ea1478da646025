import { hostname } from 'node:os'
import type { Counter, Meter, Tracer } from '@opentelemetry/api'
import type { Resource } from '@opentelemetry/resources'
import type { SpanExporter } from '@opentelemetry/sdk-trace'
import type { FastifyBaseLogger } from 'fastify'
import { version } from '../../package-version.ts'
import { batchOptions, samplerOf, spanLimits } from './environment.ts'
import { loadTraceExporter, type Tracing } from './packages.ts'
import type { SpanCounts } from './span-counts.ts'

/** The API and the tracer that create spans. */
export interface TracerOf {
  api: Tracing['api']
  tracer: Tracer
}

export interface RunningTracing extends TracerOf {
  counts: SpanCounts
  /** Exports what is queued, for `CLOSE_TIME` at most. */
  close(): Promise<void>
}

/** Milliseconds that the end of a process waits for the last export. */
const CLOSE_TIME = 1_000

/**
 * Starts the SDK's batching and export of spans. Sets no globals: two apps in a process have their own.
 * @param share of the new traces that are sampled, 0 to 1
 */
export async function startTracing(
  packages: Tracing,
  resource: Resource,
  share: number,
  log: FastifyBaseLogger
): Promise<RunningTracing> {
  const { api, sdk } = packages
  const { OTLPTraceExporter } = await loadTraceExporter()
  const counts: SpanCounts = { exported: 0, queueFull: 0, failed: 0 }
  const processor = new sdk.BatchSpanProcessor({
    ...batchOptions(),
    exporter: withLog(new OTLPTraceExporter(), log),
    selfObsMeterProvider: { getMeter: () => createCountingMeter(api, counts) }
  })
  const provider = new sdk.TracerProvider({
    resource,
    sampler: samplerOf(sdk, share),
    spanLimits: spanLimits(),
    spanProcessors: [processor]
  })
  return {
    api,
    tracer: provider.getTracer('sluice', version),
    counts,
    close: () => inTime(provider.shutdown())
  }
}

/** Returns the attributes of this process, those of the environment above all. */
export function createResource({ resources }: Tracing): Resource {
  const { defaultResource, detectResources, resourceFromAttributes } = resources
  return defaultResource()
    .merge(
      resourceFromAttributes({
        'service.name': 'sluice',
        'host.name': hostname(),
        'process.pid': process.pid
      })
    )
    .merge(
      detectResources({
        detectors: [
          resources.serviceInstanceIdDetector,
          resources.resourceAttributesEnvDetector,
          resources.serviceNameEnvDetector
        ]
      })
    )
}

/** Waits for `CLOSE_TIME` at most: a collector that is down must not delay the end of the process. */
export async function inTime(closed: Promise<void>): Promise<void> {
  const ended = Promise.withResolvers<void>()
  const timer = setTimeout(ended.resolve, CLOSE_TIME)
  await Promise.race([closed.catch(() => {}), ended.promise])
  clearTimeout(timer)
}

/** Logs the first export that fails, and the first that works again. */
function withLog(exporter: SpanExporter, log: FastifyBaseLogger): SpanExporter {
  let isDown = false
  return {
    export(spans, callback) {
      exporter.export(spans, result => {
        const hasFailed = result.code !== 0
        if (hasFailed && !isDown)
          log.warn(
            { reason: result.error?.message, spans: spans.length },
            'spans cannot be exported and are dropped; is the collector of OTEL_EXPORTER_OTLP_ENDPOINT up?'
          )
        else if (!hasFailed && isDown) log.info('spans are exported again')
        isDown = hasFailed
        callback(result)
      })
    },
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
    shutdown: () => exporter.shutdown()
  }
}

/** Returns a meter for the SDK's metrics about itself that counts what became of the spans, and nothing else. */
function createCountingMeter(api: Tracing['api'], counts: SpanCounts): Meter {
  const noop = api.createNoopMeter()
  const counter: Counter = {
    add(value, attributes) {
      const error = attributes?.['error.type']
      counts[error === undefined ? 'exported' : error === 'queue_full' ? 'queueFull' : 'failed'] += value
    }
  }
  // The API's own is one for all, so it must not be changed.
  return Object.create(noop, {
    createCounter: {
      value: (name: string) =>
        name === 'otel.sdk.processor.span.processed' ? counter : noop.createCounter(name)
    }
  })
}
