import type { FastifyContextConfig, FastifyInstance, FastifySchema, RouteOptions } from 'fastify'
import { isHidden } from '../http/hidden-route.ts'

/** A route as it was registered. */
export interface CollectedRoute {
  methods: string[]
  /** Pattern of the router, with the prefix of the scope. */
  url: string
  schema: FastifySchema | undefined
  config: FastifyContextConfig
  /** Scope with the shared schemas of the route. */
  scope: FastifyInstance
}

/** Returns undefined for routes that are not documented: hidden ones, HEAD, and those that only reject requests. */
export function collectRoute(scope: FastifyInstance, route: RouteOptions): CollectedRoute | undefined {
  const { method, url, schema, config = {} } = route
  if (config.isCatchAll || isHidden(route) || config.openapi === false) return undefined
  const methods = [method].flat().filter(name => name !== 'HEAD' && name !== 'OPTIONS')
  return methods.length === 0 ? undefined : { methods, url, schema, config, scope }
}

/**
 * Returns the paths of a document for a router's pattern: `/orders/:id` is `/orders/{id}`, `*` is `{wildcard}`, and a path
 * with an optional last parameter is two. Slashes at the end are left out: Fastify serves the root of a prefix with and
 * without.
 */
export function toPaths(pattern: string): string[] {
  const optional = /^(.*)\/:([^/]+)\?$/.exec(pattern)
  if (optional) return [...toPaths(optional[1] || '/'), ...toPaths(`${optional[1]}/:${optional[2]}`)]
  let path = ''
  for (let i = 0; i < pattern.length; ) {
    const rest = pattern.slice(i)
    const name = /^:(\w+)/.exec(rest)
    if (rest.startsWith('::')) {
      path += ':'
      i += 2
    } else if (name) {
      path += `{${name[1]}}`
      i += name[0].length
      if (pattern[i] === '(') i = endOfGroup(pattern, i)
    } else {
      path += rest.startsWith('*') ? '{wildcard}' : rest[0]
      i++
    }
  }
  return [path.length > 1 ? path.replace(/\/$/, '') : path]
}

/** Returns the index behind the parenthesis that closes the one at `start`. */
function endOfGroup(pattern: string, start: number): number {
  let depth = 0
  for (let i = start; i < pattern.length; i++) {
    if (pattern[i] === '\\') i++
    else if (pattern[i] === '(') depth++
    else if (pattern[i] === ')' && --depth === 0) return i + 1
  }
  return pattern.length
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** False leaves the route out of the OpenAPI documents. */
    openapi?: false
  }
}
