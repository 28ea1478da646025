import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/**
 * Prometheus metrics by prom-client, served by the admin side: rate, errors and duration of every route, the breakers,
 * and the process. Labels are bounded: the route's pattern, never its path; a status by its class, or `cut`; a method that is
 * none of a route's own by `other`.
 */
async function metrics(fastify: FastifyInstance) {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })

  const duration = new Histogram({
    name: 'sluice_exchange_duration_seconds',
    help: 'From the head of a request to the end of its answer',
    labelNames: ['route', 'method', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry]
  })
  fastify.onExchangeEnd(({ route, reply, elapsed, isWhole }) => {
    const status = isWhole ? CLASSES[Math.floor(reply.statusCode / 100)] : 'cut'
    const method = route === undefined ? 'other' : reply.request.method
    duration.observe({ route: route ?? 'none', method, status } as Record<string, string>, elapsed / 1000)
  })

  // Read when they are asked for: the upstreams keep them already.
  new Gauge({
    name: 'sluice_breaker_state',
    help: '0 closed, 1 half-open, 2 open',
    labelNames: ['upstream'],
    registers: [registry],
    collect() {
      for (const upstream of fastify.upstreams) {
        const { name, breaker } = upstream.state()
        this.set({ upstream: name }, STATES[breaker.state])
      }
    }
  })
  new Counter({
    name: 'sluice_breaker_refused_total',
    help: 'Calls that an open breaker refused',
    labelNames: ['upstream'],
    registers: [registry],
    collect() {
      this.reset()
      for (const upstream of fastify.upstreams) {
        const { name, breaker } = upstream.state()
        this.inc({ upstream: name }, breaker.refused)
      }
    }
  })
  new Counter({
    name: 'sluice_version_requests_total',
    help: 'Calls of a version by who may call it; who they are is on the admin side, at /versions',
    labelNames: ['scope', 'version'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { scope, name, usage } of fastify.versions) this.inc({ scope, version: name }, usage.calls)
    }
  })

  fastify.decorate('metrics', registry)
}

export default fp(metrics, { name: 'sluice-metrics', fastify: '5.x', dependencies: ['sluice-exchange'] })

const CLASSES = ['0xx', '1xx', '2xx', '3xx', '4xx', '5xx']
const STATES = { closed: 0, 'half-open': 1, open: 2 }

declare module 'fastify' {
  interface FastifyInstance {
    metrics?: Registry
  }
}
