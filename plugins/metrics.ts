import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { collectDefaultMetrics, type Metric, Registry } from 'prom-client'
import { addCredentialMetrics } from '../observe/credentials.ts'
import { sampleCounts } from '../observe/exchange-counts.ts'
import { ExchangeDurations } from '../observe/exchange-durations.ts'
import { createFailureCounter } from '../observe/exchange-failures.ts'
import { FailureCounts } from '../observe/failure-counts.ts'
import { chooseFormat, textOf } from '../observe/metrics-text.ts'
import { addStateMetrics } from '../observe/state-metrics.ts'
import { addAttemptDurations, addCallMetrics } from '../proxy/call-metrics.ts'
import { addEndpointMetrics } from '../proxy/endpoint-metrics.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import type { Input } from '../schemas/options/defaults.ts'
import { MetricsOptions } from '../schemas/options/metrics.ts'
import exchange from './exchange.ts'

/**
 * Collects Prometheus metrics in `fastify.metrics`, a prom-client registry: rate, errors and durations per route, the state of
 * upstreams and limits, and the process. Labels are bounded: route patterns instead of paths, status classes, and `other` for
 * the methods of requests without a route. The option `path` adds a route that serves them.
 */
async function metrics(fastify: FastifyInstance, options: Input<typeof MetricsOptions>) {
  const { path } = completeOptions(MetricsOptions, options, 'metrics')
  if (!fastify.hasPlugin('sluice-exchange')) await fastify.register(exchange)
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })

  const durations = new ExchangeDurations()
  const failures = new FailureCounts()
  sampleCounts(fastify, durations, failures)
  registry.registerMetric(durations as unknown as Metric)
  const countFailure = createFailureCounter(registry)
  fastify.onExchangeEnd(exchange => {
    durations.observe(exchange)
    countFailure(exchange)
    failures.note(exchange)
  })

  fastify.decorate('metrics', registry)
  // Other plugins may be registered later.
  fastify.addHook('onReady', async () => {
    const upstreams = () => fastify.upstreams ?? []
    addCallMetrics(registry, upstreams)
    addAttemptDurations(registry, upstreams)
    addEndpointMetrics(registry, upstreams())
    addStateMetrics(registry, fastify)
    addCredentialMetrics(registry, fastify)
  })

  if (path !== undefined)
    fastify.get(path, async ({ headers }, reply) => {
      const format = chooseFormat(headers.accept)
      reply.type(format).header('vary', 'accept')
      return textOf(registry, format)
    })
}

export default fp(metrics, { name: 'sluice-metrics', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyInstance {
    metrics?: Registry
  }
}
