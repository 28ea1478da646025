import type { FastifyContextConfig, FastifyInstance } from 'fastify'
import type { VersionSources } from '../schemas/options/versions.ts'

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

/** Texts on a route for its OpenAPI document, as in the `schema` of Fastify's own routes. */
export interface RouteTexts {
  /** A few words. */
  summary?: string
  /** Markdown. */
  description?: string
  /** Name of the operation in clients that are generated. Default: from method and path. */
  operationId?: string
  /** Default: the scope. */
  tags?: readonly string[]
}

/** How the version of a route is chosen, and when it ends. */
export interface RouteVersioning {
  /** True if the route's path has the version in it. */
  isInPath: boolean
  /** True if the API has paths with the version in it. */
  hasVersionedPath: boolean
  /** Sources besides the path. */
  sources: VersionSources
  /** All versions of the API, oldest first. */
  names: readonly string[]
  deprecated?: string | undefined
  sunset?: string | undefined
  /** True if the version has a sunset or a brownout. */
  ends: boolean
}

/** Access tokens that a route requires. */
export interface RouteTokens {
  issuer: string
  audience: string
  /** URL of the issuer's OpenID Connect discovery. Undefined if the config has the URL of its keys. */
  discovery?: string | undefined
}

/** How a route forwards. */
export interface RouteForwarding {
  upstream: string
  /** Path that replaces `stripped`. */
  prefix: string
  /** Beginning of the route's path that the service does not get. */
  stripped: string
  /** Returns the URLs of the upstream. */
  bases(): readonly string[]
  /** Path of the service's OpenAPI document. Default: the upstream's. */
  document?: string | undefined
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
    /** Tokens of that issuer. */
    tokens?: RouteTokens
    /** Undefined for routes without a version. */
    versioning?: RouteVersioning
    /** Undefined for routes that do not forward. */
    forwarding?: RouteForwarding
    /** True if only some client addresses may call the route. */
    isAddressFiltered?: boolean
    /** Limits in the order in which they are checked. */
    limits?: readonly RouteLimit[]
  }
}
