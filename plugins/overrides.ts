import type { FastifyInstance, onRouteHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import type { createJwks } from '../auth/jwks.ts'
import type { Limiter } from '../limits/limiter.ts'
import type { createUpstream } from '../proxy/upstream.ts'

/**
 * Replaces what an app reaches, for dry runs and tests: `sluice explain` and `sluice check` run the real gateway with it.
 * Register it first. The other plugins read `fastify.overrides`.
 *
 * ```ts
 * await app.register(overrides, { createUpstream: name => standIn(name), redis: false })
 * ```
 */
export interface Overrides {
  /** Called with each route before it is added, so that it can replace the handler. */
  onRoute?: onRouteHookHandler
  /** Creates the client of each upstream. */
  createUpstream?: typeof createUpstream
  /** Creates the key set of each issuer. */
  createJwks?: typeof createJwks
  /** Wraps the limiter that counts in memory. Redis and the supervisor are not asked then. */
  createLimiter?(memory: Limiter): Limiter
  /** False: the redis plugin does not connect, and every command fails. */
  redis?: false
  /** False: the otel plugin records no spans. */
  otel?: false
  /**
   * Epoch milliseconds: the clock of versions, of captures and of limits in memory. Default: the system's, for limits a
   * monotonic one.
   */
  now?: (() => number) | undefined
}

async function overrides(fastify: FastifyInstance, options: Overrides) {
  fastify.decorate('overrides', options)
  if (options.onRoute) fastify.addHook('onRoute', options.onRoute)
}

export default fp(overrides, { name: 'sluice-overrides', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyInstance {
    /** Undefined unless the overrides plugin is registered. */
    overrides?: Overrides
  }
}
