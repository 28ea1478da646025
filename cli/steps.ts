import type { FastifyRequest } from 'fastify'
import type { Exchange } from '../http/exchange.ts'
import type { Problem } from '../http/problem.ts'
import { MASK, type Redactor } from '../observe/redact/redactor.ts'
import type { GatewayConfig } from '../schemas/options/gateway.ts'
import { servedVersions } from '../versions/registry.ts'
import type { Rehearsal, Rehearsed } from './rehearsal.ts'
import { callsInWords, duration, type ServedRoute, size } from './table.ts'

/** All that is known once a request has been rehearsed. */
export interface Scene {
  rehearsed: Rehearsed
  /** Of the answer, if it is one. */
  problem: Partial<Problem>
  config: GatewayConfig
  table: ServedRoute[]
  gateway: Rehearsal['gateway']
  redactor: Redactor
}

/**
 * The steps in the order in which gateway.ts has them, and what is to be said of each; undefined for one that this
 * request does not meet. Which of them were passed is the gateway's to say: these words are from its options.
 */
export const STEPS = {
  request: ({ rehearsed }: Scene) => {
    const request = requestOf(rehearsed)
    return request === undefined ? '' : `host ${request.headers.host ?? '-'}, from ${request.ip}`
  },
  route: (scene: Scene) => {
    const { exchange } = scene.rehearsed
    if (exchange === undefined) return undefined
    const { route, config, reply } = exchange
    if (route === undefined || isUnserved(scene)) return nearest(scene, reply.request)
    return `${routeInWords(scene, reply.request, route)}${config.scope === undefined ? '' : `, scope ${config.scope}`}`
  },
  cors: (scene: Scene) => {
    if (scopeOf(scene)?.cors === undefined) return undefined
    const { answer } = scene.rehearsed
    const { origin } = requestOf(scene.rehearsed)?.headers ?? {}
    if (origin === undefined) return 'no origin given'
    const isAllowed = answer.headers['access-control-allow-origin'] !== undefined
    return `pages of ${origin} may${isAllowed ? '' : ' not'} read the answer`
  },
  load: (scene: Scene) =>
    scene.config.overload &&
    `priority ${scopeOf(scene)?.priority}, refused only while the gateway is overloaded`,
  ipFilter: (scene: Scene) => {
    const { ipFilter } = scopeOf(scene) ?? {}
    if (ipFilter === undefined) return undefined
    const lists = [...listOf('allow', ipFilter.allow), ...listOf('deny', ipFilter.deny)]
    return lists.join(', ') || 'none named'
  },
  'address limit': (scene: Scene) => limitInWords(scene, 'address'),
  version: (scene: Scene) => {
    const scope = scopeOf(scene)
    if (scope?.versions === undefined) return undefined
    const { route, config } = scene.rehearsed.exchange ?? {}
    const { version } = config ?? {}
    if (version === undefined) return `there are ${Object.keys(scope.versions).join(', ')}`
    if (scope.prefix.includes('{version}') && route?.includes(`/${version}`)) return `${version}, by the path`
    return `${version}, ${version === scope.version?.default ? 'by default, or since it is asked for' : 'as it is asked for'}`
  },
  token: (scene: Scene) => {
    const { config, exchange } = { ...scene, exchange: scene.rehearsed.exchange }
    const name = exchange?.config.issuer
    if (name === undefined) return undefined
    const { issuer, audience } = config.issuers[name] ?? {}
    const asked = `a token of ${name} (${issuer}) for ${audience}`
    const { user } = exchange?.reply.request ?? {}
    if (!user) return `asks for ${asked}`
    const roles = user.roles.length > 0 ? `, roles ${user.roles.join(' ')}` : ''
    return `${user.sub}, tier ${user.tier}${roles}, by ${asked}; its signature is not checked here`
  },
  lifetime: ({ gateway, rehearsed }: Scene) => {
    const { scope, version } = rehearsed.exchange?.config ?? {}
    const served = servedVersions(gateway).find(one => one.scope === scope && one.name === version)
    if (!served?.lifecycle.ends) return undefined
    const { deprecated, sunset } = served.options
    const dates = [deprecated && `deprecated ${deprecated}`, sunset && `ends ${sunset}`].filter(Boolean)
    return `${version} is ${served.lifecycle.stateAt(Date.now())}: ${dates.join(', ')}`
  },
  'consumer limit': (scene: Scene) => limitInWords(scene, 'consumer'),
  validation: ({ rehearsed, problem }: Scene) => {
    const { schema } = requestOf(rehearsed)?.routeOptions ?? {}
    const parts = Object.keys(schema ?? {}).filter(part => part !== 'response' && part !== 'hide')
    const faults = problem.errors?.map(({ path, message }) => `${path} ${message}`) ?? []
    if (faults.length > 0) return faults.join('; ')
    return parts.length > 0 ? parts.join(', ') : undefined
  },
  'route itself': (scene: Scene) => {
    const { exchange } = scene.rehearsed
    if (exchange?.route === undefined || isForRefusals(exchange)) return undefined
    const { calls, deadline = scene.config.deadline } = exchange.config
    const { bodyLimit } = exchange.reply.request.routeOptions
    const what = calls === undefined ? 'a handler of its own, which is not run here' : callsInWords(calls)
    return `${what}; deadline ${duration(deadline)}, body ${size(bodyLimit)}`
  }
} satisfies Record<string, (scene: Scene) => string | undefined>

export type StepName = keyof typeof STEPS

/** Of no resource: for what no version has, or for preflights. */
function isForRefusals({ config, reply }: Exchange): boolean {
  const { schema } = reply.request.routeOptions
  return config.isCatchAll === true || (schema as { hide?: boolean } | undefined)?.hide === true
}

function requestOf({ exchange }: Rehearsed): FastifyRequest | undefined {
  return exchange?.reply.request
}

function scopeOf({ rehearsed, config }: Scene): GatewayConfig['scopes'][string] | undefined {
  const name = rehearsed.exchange?.config.scope
  return name === undefined ? undefined : config.scopes[name]
}

/** No route, or the one that is there for what no version has. */
function isUnserved({ problem }: Scene): boolean {
  return problem.type === 'urn:sluice:route-not-found' || problem.type === 'urn:sluice:method-not-allowed'
}

function listOf(name: string, ranges: string[]): string[] {
  return ranges.length > 0 ? [`${name} ${ranges.join(' ')}`] : []
}

/** What was asked of the limiter, or else what the route says that it will be asked. */
function limitInWords(
  { rehearsed: { exchange, limits } }: Scene,
  by: 'address' | 'consumer'
): string | undefined {
  const declared = exchange?.config.limits?.filter(limit => limit.by === by) ?? []
  if (declared.length === 0) return undefined
  const met = limits.filter(({ key }) => key.startsWith(`${by}:`))
  if (met.length === 0)
    return declared
      .map(({ tier }) => `tier ${tier}${by === 'consumer' ? ', unless the token names another' : ''}`)
      .join('; ')
  return met
    .map(({ key, tier }) => {
      const quotas = tier.limits.map(({ limit, window }) => `${limit} in ${duration(window)}`)
      return `${key}, tier ${tier.name}: ${quotas.join(', ')}`
    })
    .join('; ')
}

function routeInWords({ redactor }: Scene, { method, params }: FastifyRequest, route: string): string {
  const values = Object.entries((params ?? {}) as Record<string, string>).map(
    ([name, value]) => `${name}: ${redactor.isSecret(name) ? MASK : value}`
  )
  return `${method} ${route}${values.length > 0 ? ` (${values.join(', ')})` : ''}`
}

/** Routes of a scope that are named. */
const SHOWN = 8

/** Why there is no route: what the nearest scope has, by the segments that its path has in common with the request's. */
function nearest({ table, problem, rehearsed }: Scene, { url, method }: FastifyRequest): string {
  const { allow } = rehearsed.answer.headers
  const path = url.split('?', 1)[0] as string
  if (problem.type === 'urn:sluice:method-not-allowed')
    return `${path} is served for ${allow}, not for ${method}`
  if (table.length === 0) return 'no route is served at all'
  const asked = path.split('/')
  const common = (route: ServedRoute) => {
    const own = route.path.split('/')
    const end = own.findIndex(
      (segment, i) => segment !== asked[i] && !segment.startsWith(':') && segment !== '*'
    )
    return end === -1 ? own.length : end + sameBeginning(own[end] ?? '', asked[end] ?? '')
  }
  const best = table.reduce((one, other) => (common(other) > common(one) ? other : one))
  if (common(best) < 1.5) {
    const scopes = [...new Set(table.map(({ scope }) => scope))].filter(Boolean)
    return `no scope begins like ${path}; there are: ${scopes.join(', ')}`
  }
  const served = table.filter(({ scope }) => scope === best.scope)
  const names = [...new Set(served.map(({ methods, path }) => `${methods.join(',')} ${path}`))]
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : ''
  return `the nearest scope is ${best.scope}, which serves ${names.slice(0, SHOWN).join('; ')}${more}`
}

/** The share of two segments that is the same: less than 1. */
function sameBeginning(one: string, other: string): number {
  let length = 0
  while (length < one.length && one[length] === other[length]) length++
  return length / (Math.max(one.length, other.length) + 1)
}
