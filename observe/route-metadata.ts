import type { FastifyContextConfig, FastifyInstance } from 'fastify'

/**
 * An upstream that a route calls. Patterns note it in the route's config, so that lists of routes show what was registered
 * rather than what the gateway's config seems to say.
 */
export interface RouteCall {
  pattern: 'forward' | 'transform' | 'compose' | 'websocket'
  upstream: string
  /** Name of the part, in a composition. */
  part?: string
  required?: boolean
  /** Milliseconds. */
  timeout?: number | undefined
}

export interface RouteLimit {
  by: 'consumer' | 'address'
  tier: string
}

/** Adds members to the config of every route that is registered later. Adds `limit` to the route's other limits. */
export function describeRoutes(
  fastify: FastifyInstance,
  { limit, ...members }: FastifyContextConfig & { limit?: RouteLimit }
): void {
  fastify.addHook('onRoute', route => {
    route.config = { ...route.config, ...members }
    if (limit) route.config.limits = [...(route.config.limits ?? []), limit]
  })
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Upstreams that the route calls. Undefined for a handler of its own. */
    calls?: readonly RouteCall[]
    /** Name of the issuer whose tokens the route requires. */
    issuer?: string
    /** Limits in the order in which they are checked. */
    limits?: readonly RouteLimit[]
  }
}
