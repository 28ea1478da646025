import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Registry } from 'prom-client'
import { type VersionStatus, versionStatus } from '../versions/registry.ts'
import { MAX_CONSUMERS } from '../versions/usage.ts'
import type { Supervisor } from './supervisor.ts'

/**
 * A worker's last words to its supervisor, once its last exchange has ended: all that it has counted, so that the sums of
 * all workers go on without it (cluster/kept.ts).
 */
export interface FinalCounters {
  type: 'counts'
  /** Undefined if there are no metrics. */
  metrics: Awaited<ReturnType<Registry['getMetricsAsJSON']>> | undefined
  versions: VersionStatus[]
}

async function finalCounters(fastify: FastifyInstance) {
  const { channel } = fastify.supervisor as Supervisor
  fastify.addHook('onClose', async () => {
    const message: FinalCounters = {
      type: 'counts',
      metrics: await fastify.metrics?.getMetricsAsJSON(),
      versions: versionStatus(fastify, MAX_CONSUMERS)
    }
    // Gone by the time that the process may end; or there is nobody to take it any more.
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
