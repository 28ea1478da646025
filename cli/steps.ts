import type { FastifyRequest } from 'fastify'
import type { Exchange } from '../http/exchange.ts'
import { isHidden } from '../http/hidden-route.ts'
import type { Problem } from '../http/problem.ts'
import { MASK, type Redactor } from '../observe/redact/redactor.ts'
import { describeCalls, formatDuration, formatSize, type ServedRoute } from '../observe/served-routes.ts'
import type { GatewayConfig } from '../schemas/options/gateway.ts'
import { servedVersions } from '../versions/registry.ts'
import type { DryRun, DryRunResult } from './dry-run.ts'
import { nearestRoutes } from './nearest-routes.ts'

/** The result of a dry run, with the config to describe it. */
export interface StepContext {
  result: DryRunResult
  /** Empty if the response is no problem. */
  problem: Partial<Problem>
  config: GatewayConfig
  table: ServedRoute[]
  gateway: DryRun['gateway']
  redactor: Redactor
}

/**
 * Describes each step from its options, in the order of gateway.ts. Returns undefined for a step that the request does not
 * meet. Whether a step was passed is for explanation.ts.
 */
export const STEPS = {
  request: ({ result }: StepContext) => {
    const request = requestOf(result)
    return request === undefined ? '' : `host ${request.headers.host ?? '-'}, from ${request.ip}`
  },
  route: (context: StepContext) => {
    const { exchange } = context.result
    if (exchange === undefined) return undefined
    const { route, config, reply } = exchange
    if (route === undefined || isUnrouted(context)) return describeUnrouted(context, reply.request)
    const scope = config.scope === undefined ? '' : `, scope ${config.scope}`
    return `${describeRoute(context, reply.request, route)}${scope}`
  },
  CORS: (context: StepContext) => {
    if (scopeOf(context)?.cors === undefined) return undefined
    const { response } = context.result
    const { origin } = requestOf(context.result)?.headers ?? {}
    if (origin === undefined) return 'no Origin header'
    const isAllowed = response.headers['access-control-allow-origin'] !== undefined
    return `${origin} may${isAllowed ? '' : ' not'} read the response`
  },
  'load shedding': (context: StepContext) =>
    context.config.overload &&
    `priority ${scopeOf(context)?.priority}; rejects only while the gateway is overloaded`,
  'IP filter': (context: StepContext) => {
    const { ipFilter } = scopeOf(context) ?? {}
    if (ipFilter === undefined) return undefined
    const lists = [...describeRanges('allow', ipFilter.allow), ...describeRanges('deny', ipFilter.deny)]
    return lists.join(', ') || 'no ranges'
  },
  'address limit': (context: StepContext) => describeLimits(context, 'address'),
  version: (context: StepContext) => {
    const scope = scopeOf(context)
    if (scope?.versions === undefined) return undefined
    const { route, config } = context.result.exchange ?? {}
    const { version } = config ?? {}
    if (version === undefined) return `versions: ${Object.keys(scope.versions).join(', ')}`
    if (scope.prefix.includes('{version}') && route?.includes(`/${version}`))
      return `${version}, from the path`
    return `${version}, ${version === scope.version?.default ? 'requested or by default' : 'requested'}`
  },
  authentication: ({ config, result: { exchange } }: StepContext) => {
    const name = exchange?.config.issuer
    if (name === undefined) return undefined
    const { issuer, audience } = config.issuers[name] ?? {}
    const token = `token of ${name} (${issuer}) for ${audience}`
    const { user } = exchange?.reply.request ?? {}
    if (!user) return `requires a ${token}`
    const roles = user.roles.length > 0 ? `, roles ${user.roles.join(' ')}` : ''
    return `${user.sub}, tier ${user.tier}${roles}; ${token}; signature not checked`
  },
  lifecycle: ({ gateway, result }: StepContext) => {
    const { scope, version } = result.exchange?.config ?? {}
    const served = servedVersions(gateway).find(one => one.scope === scope && one.name === version)
    if (!served?.lifecycle.ends) return undefined
    const { deprecated, sunset } = served.options
    const dates = [deprecated && `deprecated ${deprecated}`, sunset && `sunset ${sunset}`].filter(Boolean)
    return `${version} is ${served.lifecycle.stateAt(Date.now())}: ${dates.join(', ')}`
  },
  'consumer limit': (context: StepContext) => describeLimits(context, 'consumer'),
  validation: ({ result, problem }: StepContext) => {
    const { schema } = requestOf(result)?.routeOptions ?? {}
    const parts = Object.keys(schema ?? {}).filter(part => part !== 'response' && part !== 'hide')
    const faults = problem.errors?.map(({ path, message }) => `${path} ${message}`) ?? []
    if (faults.length > 0) return faults.join('; ')
    return parts.length > 0 ? parts.join(', ') : undefined
  },
  handler: ({ config, result: { exchange } }: StepContext) => {
    if (exchange?.route === undefined || rejectsAll(exchange)) return undefined
    const { calls, deadline = config.deadline } = exchange.config
    const { bodyLimit } = exchange.reply.request.routeOptions
    const what = calls === undefined ? 'own handler, does not run here' : describeCalls(calls)
    return `${what}; deadline ${formatDuration(deadline)}, body ${formatSize(bodyLimit)}`
  }
} satisfies Record<string, (context: StepContext) => string | undefined>

export type StepName = keyof typeof STEPS

/** Returns true for catch-alls of unknown versions and for preflight routes. */
function rejectsAll({ config, reply }: Exchange): boolean {
  return config.isCatchAll === true || isHidden(reply.request.routeOptions)
}

function requestOf({ exchange }: DryRunResult): FastifyRequest | undefined {
  return exchange?.reply.request
}

function scopeOf({ result, config }: StepContext): GatewayConfig['scopes'][string] | undefined {
  const name = result.exchange?.config.scope
  return name === undefined ? undefined : config.scopes[name]
}

/** Returns true for 404 and 405, also of a catch-all route. */
function isUnrouted({ problem }: StepContext): boolean {
  return problem.type === 'urn:sluice:route-not-found' || problem.type === 'urn:sluice:method-not-allowed'
}

function describeUnrouted({ table, problem, result }: StepContext, { url, method }: FastifyRequest): string {
  const path = url.split('?', 1)[0] as string
  return problem.type === 'urn:sluice:method-not-allowed'
    ? `${path} supports ${result.response.headers.allow}, not ${method}`
    : nearestRoutes(table, path)
}

function describeRoute({ redactor }: StepContext, { method, params }: FastifyRequest, route: string): string {
  const values = Object.entries((params ?? {}) as Record<string, string>).map(
    ([name, value]) => `${name}: ${redactor.isSecret(name) ? MASK : value}`
  )
  return `${method} ${route}${values.length > 0 ? ` (${values.join(', ')})` : ''}`
}

function describeRanges(name: string, ranges: string[]): string[] {
  return ranges.length > 0 ? [`${name} ${ranges.join(' ')}`] : []
}

/** Describes the checks of a limit, or the declared limit if none was checked. */
function describeLimits(
  { result: { exchange, limits } }: StepContext,
  by: 'address' | 'consumer'
): string | undefined {
  const declared = exchange?.config.limits?.filter(limit => limit.by === by) ?? []
  if (declared.length === 0) return undefined
  const checked = limits.filter(({ key }) => key.startsWith(`${by}:`))
  if (checked.length === 0)
    return declared
      .map(({ tier }) => `tier ${tier}${by === 'consumer' ? ', unless the token names another' : ''}`)
      .join('; ')
  return checked
    .map(({ key, tier }) => {
      const quotas = tier.limits.map(({ limit, window }) => `${limit} in ${formatDuration(window)}`)
      return `${key}, tier ${tier.name}: ${quotas.join(', ')}`
    })
    .join('; ')
}
