import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { UpstreamState } from './upstream/upstream.ts'

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
  const ofUpstreams = (
    Kind: typeof Counter | typeof Gauge,
    name: string,
    help: string,
    valuesOf: (state: UpstreamState) => Record<string, number | undefined>,
    label?: string
  ) =>
    new Kind({
      name,
      help,
      labelNames: label === undefined ? ['upstream'] : ['upstream', label],
      registers: [registry],
      collect() {
        this.reset()
        for (const upstream of fastify.upstreams) {
          const state = upstream.state()
          for (const [value, count] of Object.entries(valuesOf(state)))
            if (count !== undefined)
              this.inc({ upstream: state.name, ...(label !== undefined && { [label]: value }) }, count)
        }
      }
    })
  ofUpstreams(
    Counter,
    'sluice_breaker_refused_total',
    'Calls that an open breaker refused',
    ({ breaker }) => ({ refused: breaker.refused })
  )
  ofUpstreams(
    Counter,
    'sluice_breaker_transitions_total',
    'Changes of a breaker, by the state that it entered',
    ({ breaker }) => ({ open: breaker.opened, 'half-open': breaker.halfOpened, closed: breaker.closed }),
    'to'
  )
  ofUpstreams(
    Counter,
    'sluice_upstream_slow_total',
    'Calls that were slow by their breaker',
    ({ breaker }) => ({ slow: breaker.slowTotal })
  )
  ofUpstreams(
    Gauge,
    'sluice_upstream_calls',
    'Calls under way, and in line for a place',
    ({ calls }) => ({ running: calls.running, queued: calls.queued }),
    'state'
  )
  ofUpstreams(
    Counter,
    'sluice_upstream_rejected_total',
    'Calls refused since too many were in line',
    ({ calls }) => ({ rejected: calls.rejected })
  )
  ofUpstreams(Counter, 'sluice_retries_total', 'Attempts after the first', ({ calls }) => ({
    retries: calls.retries
  }))
  ofUpstreams(
    Counter,
    'sluice_retries_refused_total',
    'Attempts that the retry budget did not let be made',
    ({ calls }) => ({ exhausted: calls.exhausted })
  )
  ofUpstreams(
    Counter,
    'sluice_mirror_total',
    'Copies of calls, by what became of them: sent, of these failed, and dropped',
    ({ mirror }) => ({ sent: mirror?.sent, failed: mirror?.failed, dropped: mirror?.dropped }),
    'result'
  )

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
