import type { onRouteHookHandler } from 'fastify'
import type { createJwks } from './auth/jwks.ts'
import type { Limiter } from './limits/limiter.ts'
import type { createUpstream } from './proxy/upstream.ts'

/**
 * What a gateway has beyond itself, as given by who builds one that is to reach nothing: upstreams that are not called,
 * keys that are not fetched, limits that are counted in memory. Redis is not connected to.
 */
export interface Outside {
  /** Called with every route before it is made. */
  onRoute: onRouteHookHandler
  createUpstream: typeof createUpstream
  createJwks: typeof createJwks
  /** The limiter to use, of the one in memory. */
  limiter(memory: Limiter): Limiter
}
