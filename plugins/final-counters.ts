import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Registry } from 'prom-client'
import { type CounterSample, counterSample } from '../observe/exchange-counts.ts'
import { type VersionStatus, versionStatus } from '../versions/registry.ts'
import { MAX_CONSUMERS } from '../versions/usage.ts'
import type { Supervisor } from './supervisor.ts'

/** Message of a worker with all that it has counted. */
export interface FinalCounters {
  type: 'counts'
  /** Undefined without the metrics plugin. */
  metrics: Awaited<ReturnType<Registry['getMetricsAsJSON']>> | undefined
  versions: VersionStatus[]
  sample: CounterSample
}

/**
 * Sends the counters of a worker to its supervisor when the app closes, after its last exchange. So the totals of all
 * workers do not shrink (cluster/retained-state.ts).
 */
async function finalCounters(fastify: FastifyInstance) {
  const { channel } = fastify.supervisor as Supervisor
  fastify.addHook('onClose', async () => {
    const message: FinalCounters = {
      type: 'counts',
      metrics: await fastify.metrics?.getMetricsAsJSON(),
      versions: versionStatus(fastify, MAX_CONSUMERS),
      sample: counterSample(fastify)
    }
    // Waits until the message is sent, since the process may end then. Without a channel the supervisor has ended.
    await new Promise<void>(resolve => {
      if (channel.send === undefined) return resolve()
      channel.send(message, undefined, undefined, () => resolve())
    })
  })
}

export default fp(finalCounters, {
  name: 'sluice-final-counters',
  fastify: '5.x',
  dependencies: ['sluice-supervisor']
})
