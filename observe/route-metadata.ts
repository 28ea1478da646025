import type { FastifyContextConfig, FastifyInstance } from 'fastify'

/**
 * What a route says of itself in its config, told by the patterns that make it so: whoever lists routes need not read
 * the gateway's config a second time, and be wrong.
 */
export interface RouteCall {
  pattern: 'forward' | 'transform' | 'compose' | 'websocket'
  upstream: string
  /** Of a composition. */
  part?: string
  required?: boolean
  /** Milliseconds. */
  timeout?: number | undefined
}

export interface RouteLimit {
  by: 'consumer' | 'address'
  tier: string
}

/** Says it of each route that is made behind it. A limit stands beside those that are there. */
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
    /** What it calls. Undefined for a handler of its own, of which nobody knows. */
    calls?: readonly RouteCall[]
    /** Whose tokens it asks for, by the name in the gateway's config. */
    issuer?: string
    /** In the order in which they are met. */
    limits?: readonly RouteLimit[]
  }
}
