import type { FastifyInstance } from 'fastify'
import { Counter, Gauge, type Registry } from 'prom-client'
import { limitStatus } from '../limits/limit-status.ts'

/**
 * What limits have decided, what was not seen since nobody waited for it, and who is connected; read when it is asked for.
 * Tiers are the config's, so there are only so many; over several workers all of it is a sum.
 */
export function addSeenMetrics(registry: Registry, fastify: FastifyInstance): void {
  const registers = [registry]
  new Counter({
    name: 'sluice_limit_decisions_total',
    help: 'Requests by what the limits of a tier decided; local, open, closed: while Redis or the supervisor is unavailable',
    labelNames: ['tier', 'decision'],
    registers,
    collect() {
      this.reset()
      for (const { name, decisions } of fastify.tiers)
        for (const [decision, count] of Object.entries(decisions)) this.inc({ tier: name, decision }, count)
    }
  })
  fastify.addHook('onReady', async () => {
    if (fastify.redis === undefined) return
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
  })
  new Counter({
    name: 'sluice_log_lost_total',
    help: 'Lines that the destination of the log has not taken',
    registers,
    collect() {
      this.reset()
      this.inc(fastify.lostLines?.() ?? 0)
    }
  })
  new Counter({
    name: 'sluice_recorder_missed_total',
    help: 'Exchanges that somebody who follows the recorder was not sent',
    registers,
    collect() {
      this.reset()
      this.inc(fastify.recorder?.counts().dropped ?? 0)
    }
  })
  new Gauge({
    name: 'sluice_recorder_bytes',
    help: 'What the recorder holds, about',
    aggregator: 'sum',
    registers,
    collect() {
      this.set(fastify.recorder?.counts().bytes ?? 0)
    }
  })
  new Gauge({
    name: 'sluice_connections',
    help: 'Connections that are open',
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
