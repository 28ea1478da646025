import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client'
import { overloadMonitor } from '../http/overload-monitor.ts'
import { CUT, Durations } from '../observe/histogram.ts'
import { addOverloadMetrics } from '../observe/overload-metrics.ts'
import { addSeenMetrics } from '../observe/state-metrics.ts'
import { addAttemptDurations } from '../proxy/attempt-durations.ts'
import { addCallMetrics } from '../proxy/call-metrics.ts'
import { addEndpointMetrics } from '../proxy/endpoint-metrics.ts'
import { servedVersions } from '../versions/registry.ts'

/**
 * Prometheus metrics by prom-client, served by the admin side: rate, errors and duration of every route, the breakers,
 * and the process. Labels are bounded: the route's pattern, never its path; a status by its class, or `cut`; a method that is
 * none of a route's own by `other`.
 */
async function metrics(fastify: FastifyInstance) {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })

  const durations = new Durations()
  registry.registerMetric(durations as unknown as Metric)
  fastify.onExchangeEnd(({ route, config, reply, status, elapsed, isWhole }) =>
    durations.observe(
      config,
      route === undefined ? 'other' : reply.request.method,
      isWhole ? Math.floor(status / 100) : CUT,
      elapsed / 1000
    )
  )

  // Read when they are asked for: the upstreams keep them already.
  new Gauge({
    name: 'sluice_breaker_state',
    help: '0 closed, 1 half-open, 2 open',
    labelNames: ['upstream'],
    // Over several workers: the worst.
    aggregator: 'max',
    registers: [registry],
    collect() {
      for (const upstream of fastify.upstreams) {
        const { name, breaker } = upstream.state()
        this.set({ upstream: name }, STATES[breaker.state])
      }
    }
  })
  addCallMetrics(registry, () => fastify.upstreams)
  addAttemptDurations(registry, () => fastify.upstreams)
  addSeenMetrics(registry, fastify)

  new Counter({
    name: 'sluice_version_requests_total',
    help: 'Calls of a version by who may call it; who they are is on the admin side, at /versions',
    labelNames: ['scope', 'version'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { scope, name, usage } of servedVersions(fastify))
        this.inc({ scope, version: name }, usage.calls)
    }
  })

  fastify.addHook('onReady', async () => {
    addEndpointMetrics(registry, fastify.upstreams)
    const monitor = overloadMonitor(fastify)
    if (monitor !== undefined) addOverloadMetrics(registry, monitor)
  })

  fastify.decorate('metrics', registry)
}

export default fp(metrics, { name: 'sluice-metrics', fastify: '5.x', dependencies: ['sluice-exchange'] })

const STATES = { closed: 0, 'half-open': 1, open: 2 }

declare module 'fastify' {
  interface FastifyInstance {
    metrics?: Registry
  }
}
