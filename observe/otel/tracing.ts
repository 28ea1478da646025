import { hostname } from 'node:os'
import type { Counter, Meter, Tracer } from '@opentelemetry/api'
import type { Resource } from '@opentelemetry/resources'
import type { SpanExporter } from '@opentelemetry/sdk-trace'
import type { FastifyBaseLogger } from 'fastify'
import { version } from '../../package-version.ts'
import { batchOptions, samplerOf, spanLimits } from './environment.ts'
import { createExportLog, inTime } from './exports.ts'
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
  const note = createExportLog(log, 'spans')
  class LoggedExporter extends OTLPTraceExporter {
    override export(...[spans, callback]: Parameters<SpanExporter['export']>): void {
      super.export(spans, result => {
        note(result)
        callback(result)
      })
    }
  }
  const processor = new sdk.BatchSpanProcessor({
    ...batchOptions(),
    exporter: new LoggedExporter(),
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
