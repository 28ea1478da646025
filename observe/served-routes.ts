import type { RouteOptions } from 'fastify'
import { isHidden } from '../http/hidden-route.ts'
import type { GatewayConfig } from '../schemas/options/gateway.ts'
import type { RouteCall, RouteLimit } from './route-metadata.ts'

/** A row of the list of routes: one path with all methods that have the same options. */
export interface ServedRoute {
  methods: string[]
  path: string
  scope: string | undefined
  version: string | undefined
  /** True if header, media type or query choose the version. */
  isChosen: boolean
  /** Name of the issuer whose tokens the route requires. Undefined: public. */
  issuer: string | undefined
  limits: readonly RouteLimit[]
  /** Undefined for a route with its own handler. */
  calls: readonly RouteCall[] | undefined
  /** Milliseconds; 0: none. */
  deadline: number
  /** Bytes. */
  bodyLimit: number
  /** Parts of a request that a schema validates: `body`, `querystring`, `params`, `headers`. */
  validates: string[]
}

const VALIDATED = ['params', 'querystring', 'headers', 'body']

/** Leaves out routes that only reject requests: catch-alls of unknown versions and preflights. */
export function routeTable(routes: readonly RouteOptions[], config: GatewayConfig): ServedRoute[] {
  const rows = new Map<string, ServedRoute>()
  for (const { method, url, config: own = {}, bodyLimit, constraints, schema } of routes) {
    if (own.isCatchAll || isHidden({ schema })) continue
    const chosen = (constraints as { apiVersion?: string } | undefined)?.apiVersion
    const { scope, version, issuer, limits = [], calls, deadline = config.deadline } = own
    // Fastify serves the root of a prefix with and without a slash.
    const path = url.length > 1 ? url.replace(/\/$/, '') : url
    const methods = [method].flat() as string[]
    const limit = bodyLimit ?? config.bodyLimit
    const validates = VALIDATED.filter(part => (schema as Record<string, unknown> | undefined)?.[part])
    const key = JSON.stringify([
      path,
      chosen,
      scope,
      version,
      issuer,
      limits,
      calls,
      deadline,
      limit,
      validates
    ])
    const row = rows.get(key)
    if (row) row.methods = [...new Set([...row.methods, ...methods])]
    else
      rows.set(key, {
        methods,
        path,
        scope,
        version,
        isChosen: chosen !== undefined,
        issuer,
        limits,
        calls,
        deadline,
        bodyLimit: limit,
        validates
      })
  }
  return [...rows.values()].map(row => ({ ...row, methods: withoutHead(row.methods) }))
}

/** HEAD is served wherever GET is. */
function withoutHead(methods: string[]): string[] {
  return methods.includes('GET') ? methods.filter(method => method !== 'HEAD') : methods
}

export function describeCalls(calls: readonly RouteCall[] | undefined): string {
  if (calls === undefined) return 'own handler'
  const names = calls.map(({ pattern, upstream, required }) =>
    pattern === 'compose' && !required ? `${upstream}?` : upstream
  )
  return `${calls[0]?.pattern} ${names.join(' ')}`
}

/** Formats 1500 as `1.5s`. */
export function formatDuration(ms: number): string {
  return ms === 0 ? 'none' : ms < 1_000 ? `${ms}ms` : `${ms / 1_000}s`
}

/** Formats 65536 as `64KiB`, and sizes that are no whole number of KiB in bytes. */
export function formatSize(bytes: number): string {
  if (bytes > 0 && bytes % 1_048_576 === 0) return `${bytes / 1_048_576}MiB`
  return bytes > 0 && bytes % 1_024 === 0 ? `${bytes / 1_024}KiB` : `${bytes}B`
}
