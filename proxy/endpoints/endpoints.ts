import type { FastifyBaseLogger } from 'fastify'
import { consumerOf } from '../../auth/consumer.ts'
import { clientAddress } from '../../http/client-address.ts'
import { DetachedExchange } from '../../http/detached-exchange.ts'
import type { Exchange } from '../../http/exchange.ts'
import type { EndpointsOptions } from '../../schemas/options/endpoints.ts'
import type { Headers } from '../call-types.ts'
import { EndpointEjected } from '../errors.ts'
import { stickyHeader } from '../headers.ts'
import type { UpstreamAction } from '../upstream-action.ts'
import { hashOf } from './balance/hash.ts'
import { createPolicy } from './balance/index.ts'
import type { Random } from './balance/policy.ts'
import { createPool, type PoolOptions, type Target, targetOf } from './connection-pool.ts'
import { followName } from './dns.ts'
import { type Endpoint, type EndpointState, PooledEndpoint } from './endpoint.ts'
import { type Checks, startChecks } from './health-check.ts'
import { createOutlierDetection } from './outlier-detection.ts'
import { cookieOf, createSticky } from './sticky.ts'

export type { EndpointState } from './endpoint.ts'

/** The endpoints of an upstream and the choice between them. */
export interface Endpoints {
  /**
   * Returns the endpoint for a request. Undefined only if DNS has never returned an endpoint.
   * @param tried endpoints that have failed this request; avoided if there are others
   */
  pick(request: { exchange: Exchange; headers: Headers }, tried?: readonly Endpoint[]): Endpoint | undefined
  /** Number of endpoints, healthy or not. */
  readonly size: number
  /** True if other endpoints are in use, so that failures of these are not failures of the upstream. */
  hasOther(endpoints: readonly Endpoint[]): boolean
  /** Takes the endpoints that actions name out of rotation, and returns all others to it. */
  act(actions: readonly UpstreamAction[]): void
  state(): EndpointState[]
  close(): Promise<void>
}

/** Returns the configured base URLs, not resolved ones: services write them into `Location` and cookies. */
export function basesOf({ url, endpoints = [], dns }: EndpointsOptions): string[] {
  if (dns === undefined)
    return (url === undefined ? endpoints : [{ url }]).map(each => {
      const { origin, base } = targetOf(each.url)
      return origin + base
    })
  return [`${dns.protocol}://${dns.name}${dns.port === undefined ? '' : `:${dns.port}`}${dns.path}`]
}

/**
 * @param random for tests
 * @param now monotonic clock in ms, for tests
 */
export function createEndpoints(
  name: string,
  options: PoolOptions,
  log: FastifyBaseLogger,
  random: Random = Math.random,
  now: () => number = () => performance.now()
): Endpoints {
  const { url, endpoints, dns, balance, health } = options
  let members: readonly PooledEndpoint[] = []
  /** Members that no operator has taken out. */
  let allowed: readonly PooledEndpoint[] = []
  /** Endpoints in rotation. Computed on each change, so that `pick` is fast. */
  let usable: readonly PooledEndpoint[] = []
  let actions: readonly UpstreamAction[] = []
  const checks = new Map<PooledEndpoint, Checks>()
  const leaving = new Set<PooledEndpoint>()
  const policy = createPolicy(balance.policy, random)
  /** For retries, with its own turns: retries must not shift the turns of first attempts. */
  const policyAgain = createPolicy(balance.policy, random)
  const byHash = balance.policy === 'hash'
  const sticky = balance.sticky && createSticky<PooledEndpoint>(name, balance.sticky)
  const outliers = createOutlierDetection<PooledEndpoint>(
    options.ejection,
    () => members,
    ({ url, outlier }, ms) => {
      if (ms === 0) log.info({ upstream: name, endpoint: url }, 'endpoint returned')
      else log.warn({ upstream: name, endpoint: url, ms, ejections: outlier.ejections }, 'endpoint ejected')
      arrange()
    },
    now
  )

  let unfollow: (() => void) | undefined
  if (dns === undefined)
    adopt(
      url === undefined ? (endpoints ?? []).map(({ url, weight }) => targetOf(url, weight)) : [targetOf(url)]
    )
  else unfollow = followName(dns, log.child({ upstream: name }), adopt)

  return {
    pick(request, tried) {
      if (allowed.length < 2) return allowed[0]
      if (outliers.due !== Number.POSITIVE_INFINITY && outliers.due <= now()) outliers.returnDue()
      const isAgain = tried !== undefined && tried.length > 0
      const candidates = isAgain ? without(tried) : usable
      if (sticky === undefined) return choose(request, candidates, isAgain)
      const { reply } = request.exchange
      const bound = sticky.find(reply, candidates)
      if (bound !== undefined) return bound
      const chosen = choose(request, candidates, isAgain)
      // A mirrored request must not bind the client.
      if (!(request.exchange instanceof DetachedExchange)) sticky.bind(reply, chosen)
      return chosen
    },
    get size() {
      return members.length
    },
    hasOther: endpoints => usable.some(member => !endpoints.includes(member)),
    act(next) {
      actions = next
      for (const member of members) act(member)
      arrange()
    },
    state() {
      if (outliers.due <= now()) outliers.returnDue()
      return members.map(member => member.state(now()))
    },
    async close() {
      unfollow?.()
      await Promise.all([
        ...[...checks.values()].map(each => each.close()),
        ...[...members, ...leaving].map(({ dispatcher }) => dispatcher.destroy())
      ])
    }
  }

  function choose(
    request: { exchange: Exchange; headers: Headers },
    candidates: readonly PooledEndpoint[],
    isAgain: boolean
  ): PooledEndpoint {
    if (candidates.length === 1) return candidates[0] as PooledEndpoint
    return (isAgain ? policyAgain : policy)(candidates, byHash ? hashOf(keyOf(request)) : 0)
  }

  function keyOf({ exchange, headers }: { exchange: Exchange; headers: Headers }): string {
    const { header, cookie } = balance.hash ?? {}
    const { request } = exchange.reply
    const own =
      header !== undefined
        ? stickyHeader(request, header, headers)
        : cookie !== undefined
          ? cookieOf(request.headers.cookie, cookie)
          : undefined
    return String(own ?? consumerOf(request) ?? clientAddress(request))
  }

  function without(tried: readonly Endpoint[]): readonly PooledEndpoint[] {
    const left = usable.filter(member => !tried.includes(member))
    return left.length > 0 ? left : usable
  }

  function report(endpoint: PooledEndpoint, outcome: 'success' | 'failure' | 'answered' | 'neutral'): void {
    if (members.length > 1) outliers.report(endpoint, outcome)
  }

  /** Makes the members those of `targets`: who stays keeps what is known of it, who goes ends its calls. */
  function adopt(targets: readonly Target[]): void {
    const staying = new Map(members.map(member => [member.url, member]))
    const next = new Map<string, PooledEndpoint>()
    for (const target of targets) {
      if (next.has(target.url)) continue
      const member = staying.get(target.url) ?? join(target)
      member.target = target
      staying.delete(target.url)
      next.set(target.url, member)
    }
    members = [...next.values()]
    for (const member of staying.values()) leave(member)
    arrange()
  }

  function join(target: Target): PooledEndpoint {
    const member = new PooledEndpoint(target, createPool(target, options), report)
    act(member)
    if (dns) log.info({ upstream: name, endpoint: target.url }, 'endpoint joined')
    if (health) {
      const started = startChecks(target, { ...options, health }, (isHealthy, fault) =>
        onCheck(member, isHealthy, fault)
      )
      member.check = started
      checks.set(member, started)
    }
    return member
  }

  function leave(member: PooledEndpoint): void {
    log.info({ upstream: name, endpoint: member.url }, 'endpoint left')
    checks.get(member)?.close()
    checks.delete(member)
    leaving.add(member)
    member.dispatcher.close().then(() => leaving.delete(member))
  }

  function onCheck(member: PooledEndpoint, isHealthy: boolean, fault?: Error): void {
    if (isHealthy) outliers.release(member)
    if (member.isUnhealthy !== isHealthy) return
    member.isUnhealthy = !isHealthy
    if (isHealthy) log.info({ upstream: name, endpoint: member.url }, 'endpoint healthy')
    else log.warn({ upstream: name, endpoint: member.url, err: fault }, 'endpoint unhealthy')
    arrange()
  }

  function act(member: PooledEndpoint): void {
    const before = member.action
    member.action = actions.find(({ endpoint }) => endpoint === member.url)
    if (member.action?.action !== 'eject' || before?.action === 'eject') return
    const { dispatcher } = member
    member.dispatcher = createPool(member.target, options)
    void dispatcher.destroy(new EndpointEjected())
  }

  /** Selects the usable endpoints of the lowest priority value that has enough of them, else all of the lowest (panic). */
  function arrange(): void {
    allowed = members.filter(({ action }) => action === undefined)
    const priorities = [...new Set(allowed.map(({ target }) => target.priority))].sort((a, b) => a - b)
    for (const priority of priorities) {
      const peers = allowed.filter(({ target }) => target.priority === priority)
      const healthy = peers.filter(({ isUsable }) => isUsable)
      if (healthy.length > 0 && healthy.length >= peers.length * balance.panicThreshold) {
        usable = healthy
        return
      }
    }
    usable = allowed.filter(({ target }) => target.priority === priorities[0])
  }
}
