import type { FastifyContextConfig } from 'fastify'
import { Counter, type Registry } from 'prom-client'
import type { Cause } from '../http/cause.ts'
import type { Exchange } from '../http/exchange.ts'

/**
 * Adds the counter of exchanges that did not end well, by cause. Its labels are bounded: a series appears when its route first
 * fails for its cause.
 */
export function createFailureCounter(registry: Registry): (exchange: Exchange) => void {
  const counter = new Counter({
    name: 'sluice_exchange_failures_total',
    help: 'Exchanges that were aborted or answered with 4xx or 5xx, by cause',
    labelNames: ['route', 'scope', 'version', 'upstream', 'cause'],
    registers: [registry]
  })
  return ({ config, failure, upstream }) => {
    if (failure === undefined) return
    const { url, scope = '', version = '' } = config as FastifyContextConfig & { url?: string }
    const cause: Cause = failure.cause
    counter.inc({
      route: url ?? 'none',
      scope,
      version,
      upstream: failure.upstream ?? upstream ?? '',
      cause
    })
  }
}
