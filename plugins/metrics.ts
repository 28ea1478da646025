import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client'
import { addCallMetrics } from './upstream/call-metrics.ts'
import { addEndpointMetrics } from './upstream/metrics.ts'

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
  fastify.onExchangeEnd(({ route, reply, elapsed, isWhole }) =>
    durations.observe(
      route ?? 'none',
      route === undefined ? 'other' : reply.request.method,
      isWhole ? Math.floor(reply.statusCode / 100) : CUT,
      elapsed / 1000
    )
  )

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
  addCallMetrics(registry, () => fastify.upstreams)

  const { overload } = fastify
  if (overload) {
    new Counter({
      name: 'sluice_shed_total',
      help: 'Requests refused since the gateway was overloaded',
      labelNames: ['priority'],
      registers: [registry],
      collect() {
        this.reset()
        for (const [priority, count] of Object.entries(overload.shed)) this.inc({ priority }, count)
      }
    })
    new Gauge({
      name: 'sluice_overload_level',
      help: 'Priorities that are refused: 0 none, 1 low, 2 normal too, 3 all',
      registers: [registry],
      collect() {
        this.set(overload.level)
      }
    })
  }
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

  fastify.addHook('onReady', async () => addEndpointMetrics(registry, fastify.upstreams))

  fastify.decorate('metrics', registry)
}

export default fp(metrics, { name: 'sluice-metrics', fastify: '5.x', dependencies: ['sluice-exchange'] })

/** By their index; the first stands for what was cut short. */
const CLASSES = ['cut', '1xx', '2xx', '3xx', '4xx', '5xx']
const CUT = 0
/** Seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/**
 * A histogram that hashes no labels when it observes: prom-client's costs as much as a log line, so it only gets to see
 * the counts when it is asked for them. A series is one array: each bucket's count, not yet summed up, then the sum of all
 * values.
 */
class Durations {
  name = 'sluice_exchange_duration_seconds'
  help = 'From the head of a request to the end of its answer'
  #routes = new Map<string, Map<string, (Float64Array | undefined)[]>>()

  observe(route: string, method: string, status: number, seconds: number): void {
    let methods = this.#routes.get(route)
    if (methods === undefined) this.#routes.set(route, (methods = new Map()))
    let statuses = methods.get(method)
    if (statuses === undefined) methods.set(method, (statuses = new Array(CLASSES.length)))
    const series = (statuses[status] ??= new Float64Array(BUCKETS.length + 2))
    let bucket = 0
    while (bucket < BUCKETS.length && seconds > (BUCKETS[bucket] as number)) bucket++
    series[bucket] = (series[bucket] as number) + 1
    series[SUM] = (series[SUM] as number) + seconds
  }

  get(): object {
    const values: object[] = []
    for (const [route, methods] of this.#routes)
      for (const [method, statuses] of methods)
        statuses.forEach((series, status) => {
          if (series === undefined) return
          const labels = { route, method, status: CLASSES[status] }
          let count = 0
          for (const [i, le] of [...BUCKETS, '+Inf'].entries()) {
            count += series[i] as number
            values.push({ metricName: `${this.name}_bucket`, labels: { le, ...labels }, value: count })
          }
          values.push({ metricName: `${this.name}_sum`, labels, value: series[SUM] })
          values.push({ metricName: `${this.name}_count`, labels, value: count })
        })
    return { name: this.name, help: this.help, type: 'histogram', values, aggregator: 'sum' }
  }

  reset(): void {
    this.#routes.clear()
  }
}

const SUM = BUCKETS.length + 1

const STATES = { closed: 0, 'half-open': 1, open: 2 }

declare module 'fastify' {
  interface FastifyInstance {
    metrics?: Registry
  }
}
