import type { FastifyContextConfig } from 'fastify'
import { Counter, type Registry } from 'prom-client'
import type { Cause } from '../http/cause.ts'
import type { Exchange } from '../http/exchange.ts'

/** Counts of one route by upstream, and by cause. */
type CountsByUpstream = Map<string, Map<Cause, number>>

/**
 * Adds the counter of exchanges that did not end well, by cause. Its labels are bounded: a series appears when its route first
 * fails for its cause. Like the durations it counts by the route's config, since prom-client hashes the labels of each call.
 */
export function createFailureCounter(registry: Registry): (exchange: Exchange) => void {
  const routes = new Map<FastifyContextConfig, CountsByUpstream>()
  new Counter({
    name: 'sluice_exchange_failures_total',
    help: 'Exchanges that were aborted or answered with 4xx or 5xx, by cause',
    labelNames: ['route', 'scope', 'version', 'upstream', 'cause'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [config, counts] of routes) {
        const { url, scope = '', version = '' } = config as FastifyContextConfig & { url?: string }
        for (const [upstream, causes] of counts)
          for (const [cause, count] of causes)
            this.inc({ route: url ?? 'none', scope, version, upstream, cause }, count)
      }
    }
  })
  return ({ config, failure, upstream }) => {
    if (failure === undefined) return
    const counts = entryOf(routes, config)
    const causes = entryOf(counts, failure.upstream ?? upstream ?? '')
    causes.set(failure.cause, (causes.get(failure.cause) ?? 0) + 1)
  }
}

function entryOf<Key, Entry extends Map<unknown, unknown>>(map: Map<Key, Entry>, key: Key): Entry {
  let entry = map.get(key)
  if (entry === undefined) {
    entry = new Map() as Entry
    map.set(key, entry)
  }
  return entry
}
