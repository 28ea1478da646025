import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Channel } from '../supervisor-channel.ts'

/**
 * Connects a worker to its supervisor, so that all workers share limits and breakers. The other plugins read
 * `fastify.supervisor`.
 */
export interface Supervisor {
  /** IPC channel to the supervisor, such as `process`. */
  channel: Channel
  /** Number of workers. While the supervisor is unavailable, each worker lets its share of a limit through. */
  workers: number
  /** Milliseconds that a request waits for the supervisor. Default: 1,000. */
  timeout?: number
}

async function supervisor(fastify: FastifyInstance, options: Supervisor) {
  fastify.decorate('supervisor', options)
}

export default fp(supervisor, { name: 'sluice-supervisor', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyInstance {
    /** Undefined in a process without a supervisor. */
    supervisor?: Supervisor
  }
}
