import { Counter, Gauge, type Metric, type Registry } from 'prom-client'
import { valuesOf } from '../observe/histogram.ts'
import type { Upstream, UpstreamState } from './upstream-types.ts'

/** Adds metrics of the calls to each upstream. They are read when scraped, since the upstreams count already. */
export function addCallMetrics(registry: Registry, upstreamsOf: () => readonly Upstream[]): void {
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
        for (const upstream of upstreamsOf()) {
          const state = upstream.state()
          for (const [value, count] of Object.entries(valuesOf(state)))
            if (count !== undefined)
              this.inc({ upstream: state.name, ...(label !== undefined && { [label]: value }) }, count)
        }
      }
    })
  ofUpstreams(
    Counter,
    'sluice_breaker_rejected_total',
    'Calls that an open breaker rejected',
    ({ breaker }) => ({ rejected: breaker.rejected })
  )
  ofUpstreams(
    Counter,
    'sluice_breaker_transitions_total',
    'Changes of a breaker by new state',
    ({ breaker }) => ({ open: breaker.opened, 'half-open': breaker.halfOpened, closed: breaker.closed }),
    'to'
  )
  ofUpstreams(
    Counter,
    'sluice_upstream_slow_total',
    'Calls that the breaker counted as slow',
    ({ breaker }) => ({ slow: breaker.slowTotal })
  )
  ofUpstreams(
    Gauge,
    'sluice_upstream_calls',
    'Calls in progress and calls that wait for a place',
    ({ calls }) => ({ running: calls.running, queued: calls.queued }),
    'state'
  )
  ofUpstreams(
    Counter,
    'sluice_upstream_rejected_total',
    'Calls rejected because the queue was full',
    ({ calls }) => ({ rejected: calls.rejected })
  )
  ofUpstreams(Counter, 'sluice_retries_total', 'Attempts after the first', ({ calls }) => ({
    retries: calls.retries
  }))
  ofUpstreams(
    Counter,
    'sluice_retries_rejected_total',
    'Retries that the budget did not allow',
    ({ calls }) => ({ exhausted: calls.exhausted })
  )
  ofUpstreams(
    Counter,
    'sluice_mirror_total',
    'Mirrored calls by result: sent, failed (of those sent), dropped',
    ({ mirror }) => ({ sent: mirror?.sent, failed: mirror?.failed, dropped: mirror?.dropped }),
    'result'
  )
}

/** Adds the durations of all upstreams to `registry`. */
export function addAttemptDurations(registry: Registry, upstreamsOf: () => readonly Upstream[]): void {
  const name = 'sluice_upstream_duration_seconds'
  const help = 'From an attempt to the headers of its response, or to its failure'
  registry.registerMetric({
    name,
    help,
    get: () => ({
      name,
      help,
      type: 'histogram',
      values: upstreamsOf().flatMap(({ name: upstream, durations }) =>
        Object.entries(durations?.series ?? {}).flatMap(([outcome, series]) =>
          valuesOf(name, { upstream, outcome }, series)
        )
      ),
      aggregator: 'sum'
    }),
    reset() {}
  } as unknown as Metric)
}
