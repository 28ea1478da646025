import type { Span, SpanOptions, Tracer } from '@opentelemetry/api'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Registry } from 'prom-client'
import { createAttemptSpans } from '../observe/otel/attempt-spans.ts'
import { isDisabled, readHeaderFiles } from '../observe/otel/environment.ts'
import { createExchangeSpans } from '../observe/otel/exchange-spans.ts'
import { exportMetrics } from '../observe/otel/metrics-bridge.ts'
import { checkPackages, loadTracing } from '../observe/otel/packages.ts'
import type { SpanCounts } from '../observe/otel/span-counts.ts'
import { createResource, startTracing } from '../observe/otel/tracing.ts'
import { createRedactor } from '../observe/redact/redactor.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import type { Input } from '../schemas/options/defaults.ts'
import { OtelPluginOptions } from '../schemas/options/otel.ts'
import exchange from './exchange.ts'
import metrics from './metrics.ts'

/**
 * Traces by OpenTelemetry: a SERVER span for each exchange, below it a span for each part of a composition and a CLIENT span
 * for each request to a service, to an issuer and to Redis. The variables `OTEL_…` say where spans are sent and which traces
 * are sampled.
 *
 * ```ts
 * await app.register(otel)
 * app.get('/', async request => {
 *   const span = request.startSpan('price')
 *   …
 *   span.end()
 * })
 * ```
 *
 * Register it before the routes. Needs @opentelemetry/sdk-trace, @opentelemetry/resources and an exporter. Requests never
 * wait for a collector: if it is down, spans are dropped and counted.
 */
async function otel(fastify: FastifyInstance, given: Input<typeof OtelPluginOptions>) {
  const options = completeOptions(OtelPluginOptions, given, 'otel')
  if (!fastify.hasPlugin('sluice-exchange')) await fastify.register(exchange)
  if (isDisabled()) return await decorateDisabled(fastify)
  checkPackages(options.metrics)
  readHeaderFiles()
  if (fastify.overrides?.otel === false) return await decorateDisabled(fastify)
  const packages = await loadTracing()
  const resource = createResource(packages)
  const tracing = await startTracing(packages, resource, options.sample, fastify.log)
  const redactor = createRedactor(options.redact)
  const exchanges = createExchangeSpans(tracing, redactor, options)
  const attempts = createAttemptSpans(redactor)

  fastify.decorate('otel', { tracer: tracing.tracer, spans: tracing.counts })
  fastify.decorateRequest('span', { getter: spanOf })
  fastify.decorateRequest('startSpan', startSpan)
  fastify.onExchangeStart(exchanges.start)
  fastify.onExchangeEnd(exchanges.end)
  fastify.onAttemptStart(attempts.start)
  fastify.onAttemptEnd(attempts.end)
  fastify.addHook('onClose', tracing.close)
  if (!options.metrics) return
  if (!fastify.hasPlugin('sluice-metrics')) await fastify.register(metrics)
  fastify.addHook('onClose', await exportMetrics(fastify.metrics as Registry, resource, fastify.log))
}

/** So that routes may start spans nevertheless, which record nothing. */
async function decorateDisabled(fastify: FastifyInstance): Promise<void> {
  const { INVALID_SPAN_CONTEXT, trace } = await import('@opentelemetry/api')
  const span = trace.wrapSpanContext(INVALID_SPAN_CONTEXT)
  fastify.decorateRequest('span', { getter: () => span })
  fastify.decorateRequest('startSpan', () => span)
}

function spanOf(this: FastifyRequest): Span {
  return this.exchange.span as Span
}

function startSpan(this: FastifyRequest, name: string, options?: SpanOptions, parent?: Span): Span {
  return this.exchange.trace?.startSpan(name, options, parent) ?? (this.exchange.span as Span)
}

export default fp(otel, { name: 'sluice-otel', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyInstance {
    /** Undefined unless the otel plugin is registered. */
    otel?: {
      tracer: Tracer
      spans: Readonly<SpanCounts>
    }
  }
  interface FastifyRequest {
    /** SERVER span of the request. It records nothing unless the trace is sampled. Only with the otel plugin. */
    readonly span: Span
    /** Starts a child of `parent`; default: of `request.span`. End it. Only with the otel plugin. */
    startSpan(name: string, options?: SpanOptions, parent?: Span): Span
  }
}
