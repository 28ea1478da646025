import { Counter, Gauge, type Registry } from 'prom-client'
import type { EndpointState } from './endpoints/endpoint.ts'
import type { Upstream } from './upstream-types.ts'

const STATES = { healthy: 0, ejected: 1, unhealthy: 2 }

/** Adds metrics of endpoints. They are read when scraped, so the series of an endpoint that leaves DNS end. */
export function addEndpointMetrics(registry: Registry, upstreams: readonly Upstream[]): void {
  const gauges: [name: string, help: string, value: (state: EndpointState) => number][] = [
    ['sluice_endpoint_state', '0 healthy, 1 ejected, 2 unhealthy', ({ state }) => STATES[state]],
    ['sluice_endpoint_in_flight', 'Attempts under way', ({ inFlight }) => inFlight]
  ]
  const counters: typeof gauges = [
    ['sluice_endpoint_calls_total', 'Attempts that were settled', ({ calls }) => calls],
    ['sluice_endpoint_failures_total', 'Attempts that failed', ({ failures }) => failures],
    ['sluice_endpoint_ejections_total', 'Ejections', ({ ejections }) => ejections]
  ]
  const labelNames = ['upstream', 'endpoint'] as const
  for (const [name, help, value] of gauges)
    new Gauge({
      name,
      help,
      labelNames,
      // Over several workers: the worst state, and all calls in progress.
      aggregator: name === 'sluice_endpoint_state' ? 'max' : 'sum',
      registers: [registry],
      collect() {
        this.reset()
        each(upstreams, (labels, state) => this.set(labels, value(state)))
      }
    })
  for (const [name, help, value] of counters)
    new Counter({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset()
        each(upstreams, (labels, state) => this.inc(labels, value(state)))
      }
    })
}

function each(
  upstreams: readonly Upstream[],
  visit: (labels: { upstream: string; endpoint: string }, state: EndpointState) => void
): void {
  for (const upstream of upstreams) {
    const { name, endpoints } = upstream.state()
    for (const state of endpoints) visit({ upstream: name, endpoint: state.url }, state)
  }
}
