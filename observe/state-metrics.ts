import type { FastifyInstance } from 'fastify'
import { Counter, Gauge, type Registry } from 'prom-client'
import { overloadMonitor } from '../http/overload-monitor.ts'
import { limitsOf } from '../limits/app-limits.ts'
import { limitStatus } from '../limits/limit-status.ts'
import { servedVersions } from '../versions/registry.ts'
import { addOverloadMetrics } from './overload-metrics.ts'

/**
 * Adds the metrics of what other plugins count themselves: breakers, limits, load shedding, versions, log, recorder and
 * connections. They are read when the metrics are. Plugins that the app does not use have no series.
 */
export function addStateMetrics(registry: Registry, fastify: FastifyInstance): void {
  const registers = [registry]
  new Gauge({
    name: 'sluice_breaker_state',
    help: '0 closed, 1 half-open, 2 open',
    labelNames: ['upstream'],
    // Over several workers: the worst.
    aggregator: 'max',
    registers,
    collect() {
      for (const upstream of fastify.upstreams ?? []) {
        const { name, breaker } = upstream.state()
        this.set({ upstream: name }, STATES[breaker.state])
      }
    }
  })
  new Counter({
    name: 'sluice_limit_decisions_total',
    help: 'Requests by the decision of their tier; local, open, closed: while Redis or the supervisor is unavailable',
    labelNames: ['tier', 'decision'],
    registers,
    collect() {
      this.reset()
      for (const { name, decisions } of limitsOf(fastify).tiers)
        for (const [decision, count] of Object.entries(decisions)) this.inc({ tier: name, decision }, count)
    }
  })
  if (fastify.redisTimeout !== undefined)
    new Gauge({
      name: 'sluice_redis_up',
      help: '1 while limits are counted in Redis, 0 while it is unavailable',
      // Over several workers: the worst.
      aggregator: 'min',
      registers,
      collect() {
        this.set(limitStatus(fastify).state === 'up' ? 1 : 0)
      }
    })
  const monitor = overloadMonitor(fastify)
  if (monitor !== undefined) addOverloadMetrics(registry, monitor)
  new Counter({
    name: 'sluice_version_requests_total',
    help: 'Requests per version; the admin API lists their consumers at /versions',
    labelNames: ['scope', 'version'],
    registers,
    collect() {
      this.reset()
      for (const { scope, name, usage } of servedVersions(fastify))
        this.inc({ scope, version: name }, usage.calls)
    }
  })
  new Counter({
    name: 'sluice_log_dropped_total',
    help: 'Log entries that the destination did not accept in time',
    registers,
    collect() {
      this.reset()
      this.inc(fastify.droppedLogEntries?.() ?? 0)
    }
  })
  const { otel } = fastify
  if (otel !== undefined)
    new Counter({
      name: 'sluice_otel_spans_total',
      help: 'Spans that were exported, or dropped: queue-full, failed',
      labelNames: ['result'],
      registers,
      collect() {
        this.reset()
        const { exported, queueFull, failed } = otel.spans
        this.inc({ result: 'exported' }, exported)
        this.inc({ result: 'queue-full' }, queueFull)
        this.inc({ result: 'failed' }, failed)
      }
    })
  new Counter({
    name: 'sluice_recorder_missed_total',
    help: 'Exchanges that live readers of the recorder were not sent',
    registers,
    collect() {
      this.reset()
      this.inc(fastify.recorder?.counts().dropped ?? 0)
    }
  })
  new Gauge({
    name: 'sluice_recorder_bytes',
    help: 'Bytes of headers and bodies in the recorder',
    aggregator: 'sum',
    registers,
    collect() {
      this.set(fastify.recorder?.counts().bytes ?? 0)
    }
  })
  new Gauge({
    name: 'sluice_connections',
    help: 'Open connections',
    aggregator: 'sum',
    registers,
    async collect() {
      this.set(
        await new Promise<number>(resolve =>
          fastify.server.getConnections((error, count) => resolve(error ? 0 : count))
        )
      )
    }
  })
}

const STATES = { closed: 0, 'half-open': 1, open: 2 }
