import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Problem } from '../plugins/problem.ts'
import type { GatewayConfig } from '../schemas/gateway.ts'
import type { Rehearsed } from './rehearsal.ts'
import { callsInWords, duration, type ServedRoute, size } from './table.ts'

export type StepName =
  | 'request'
  | 'route'
  | 'load'
  | 'addresses'
  | 'cors'
  | 'address limit'
  | 'version'
  | 'token'
  | 'lifetime'
  | 'consumer limit'
  | 'validation'
  | 'route itself'

interface Scene {
  rehearsed: Rehearsed
  problem: Partial<Problem>
  config: GatewayConfig
  table: ServedRoute[]
  gateway: FastifyInstance
  /** Where it came to an end. */
  stop: StepName | undefined
}

/**
 * The steps that a request of this scope meets, with what is known of each. That a step was passed or stopped at is what
 * the gateway did; the words beside it are from the options that it was made of.
 */
export function steps(scene: Scene): { step: StepName; detail: string }[] {
  const { rehearsed, problem, config, stop } = scene
  const { exchange, answer, limits } = rehearsed
  const said =
    problem.title === undefined ? `${answer.status || 'no answer'}` : `${answer.status} ${problem.title}`
  const refusal = problem.detail === undefined ? said : `${said}: ${problem.detail}`
  const of = (step: StepName, detail: string) => ({
    step,
    detail: stop === step ? withReason(refusal, detail) : detail
  })
  if (exchange === undefined) return [of('request', '')]

  const { request } = exchange.reply
  const all = [of('request', `host ${request.headers.host ?? '-'}, from ${request.ip}`)]
  if (stop === 'request') return all
  const { scope: name, version, issuer, limits: declared = [] } = exchange.config
  if (exchange.route === undefined || stop === 'route') return [...all, of('route', nearest(scene, request))]

  all.push(
    of('route', `${routeInWords(request, exchange.route)}${name === undefined ? '' : `, scope ${name}`}`)
  )
  const scope = name === undefined ? undefined : config.scopes[name]
  if (config.overload)
    all.push(of('load', `priority ${scope?.priority}; refused only while the gateway is overloaded`))
  if (scope?.addresses) {
    const { allow, deny } = scope.addresses
    all.push(
      of(
        'addresses',
        list([
          ['allow', allow],
          ['deny', deny]
        ])
      )
    )
  }
  if (scope?.cors) {
    const origin = request.headers.origin
    const isAllowed = answer.headers['access-control-allow-origin'] !== undefined
    const verdict =
      origin === undefined
        ? 'no origin given'
        : isAllowed
          ? `pages of ${origin} may`
          : `pages of ${origin} may not read the answer`
    all.push(of('cors', stop === 'cors' && answer.status === 204 ? 'answers the preflight' : verdict))
  }
  for (const { by, tier } of declared.filter(({ by }) => by === 'address'))
    all.push(of('address limit', limitInWords(by, tier)))
  if (scope?.versions) all.push(of('version', versionInWords()))
  if (issuer !== undefined) all.push(of('token', tokenInWords(issuer)))
  const served = scene.gateway.versions.find(one => one.scope === name && one.name === version)
  if (served?.lifecycle.ends) {
    const { deprecated, sunset } = served.options
    const dates = [deprecated && `deprecated ${deprecated}`, sunset && `ends ${sunset}`]
      .filter(Boolean)
      .join(', ')
    all.push(of('lifetime', `${version} is ${served.lifecycle.stateAt(Date.now())}: ${dates}`))
  }
  for (const { by, tier } of declared.filter(({ by }) => by === 'consumer'))
    all.push(of('consumer limit', limitInWords(by, tier)))
  const parts = Object.keys(request.routeOptions.schema ?? {}).filter(part => part !== 'response')
  if (parts.length > 0 || stop === 'validation') all.push(of('validation', validationInWords(parts)))
  const { bodyLimit } = request.routeOptions
  const time = exchange.config.deadline ?? config.deadline
  const bounds = `deadline ${duration(time)}, body ${size(bodyLimit)}`
  const { calls, isCatchAll } = exchange.config
  if (isCatchAll) return all
  all.push(
    of(
      'route itself',
      `${callsInWords(calls)}${calls === undefined ? ', which is not run here' : ''}; ${bounds}`
    )
  )
  return all

  function limitInWords(by: 'address' | 'consumer', tier: string): string {
    const met = limits.find(({ key }) => key.startsWith(`${by}:`))
    if (met === undefined) return `tier ${tier}${by === 'consumer' ? ', unless the token names another' : ''}`
    const quotas = met.tier.limits.map(({ limit, window }) => `${limit} in ${duration(window)}`)
    return `${met.key}, tier ${met.tier.name}: ${quotas.join(', ')}`
  }

  function versionInWords(): string {
    const names = Object.keys(scope?.versions ?? {}).join(', ')
    if (version === undefined) return `there are ${names}`
    const isInPath = scope?.prefix.includes('{version}') && exchange?.route?.includes(`/${version}`)
    if (isInPath) return `${version}, by the path`
    return `${version}, by ${version === scope?.version?.default ? 'default, or asked for' : 'what the request asks for'}`
  }

  function tokenInWords(issuer: string): string {
    const options = config.issuers[issuer]
    const asked = `a token of ${issuer} (${options?.issuer}) for ${options?.audience}`
    const { user } = request
    if (!user) return `asks for ${asked}`
    const roles = user.roles.length > 0 ? `, roles ${user.roles.join(' ')}` : ''
    return `${user.sub}, tier ${user.tier}${roles}, by ${asked}; its signature is not checked here`
  }

  function validationInWords(parts: string[]): string {
    const faults = problem.errors?.map(({ path, message }) => `${path} ${message}`) ?? []
    return faults.length > 0 ? faults.join('; ') : parts.join(', ')
  }
}

function withReason(refusal: string, detail: string): string {
  return detail === '' ? refusal : `${refusal}; ${detail}`
}

function list(groups: [string, string[]][]): string {
  return groups
    .filter(([, items]) => items.length > 0)
    .map(([name, items]) => `${name} ${items.join(' ')}`)
    .join(', ')
}

function routeInWords({ method, params }: FastifyRequest, route: string): string {
  const values = Object.entries((params ?? {}) as Record<string, string>).map(
    ([name, value]) => `${name}: ${value}`
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
  if (common(best) < 2) {
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
