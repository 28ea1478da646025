import type { LookupFunction } from 'node:net'
import type { FastifyBaseLogger } from 'fastify'
import type { Abortable, Exchange } from '../http/exchange.ts'
import { isSafeTarget, UnsafePath } from '../http/path.ts'
import type { UpstreamOptions } from '../schemas/options/upstreams.ts'
import type { UpstreamCallback } from './attempt.ts'
import { AttemptDurations } from './attempt-durations.ts'
import { type BreakerCounts, type BreakerState, createBreaker } from './breaker.ts'
import { type BulkheadCounts, createBulkhead } from './bulkhead.ts'
import { basesOf, createEndpoints, type EndpointState } from './endpoints/endpoints.ts'

import { createOverloaded } from './errors.ts'

import { createRefusal } from './fallback.ts'
import type { MirrorCounts } from './mirror.ts'
import { createRetryPolicy } from './retry.ts'
import type { Sharing } from './shared-breakers.ts'
import { Attempts, type Guards, type RetryCounts, type UpstreamRequest } from './upstream-call.ts'

export type { UpstreamRequest }

export interface UpstreamState {
  name: string
  breaker: { state: BreakerState } & BreakerCounts
  calls: BulkheadCounts & RetryCounts
  endpoints: EndpointState[]
  mirror?: MirrorCounts
}

/**
 * A named service, and everything that guards it, in the order in which a call meets it: deadline (the exchange's),
 * breaker, bulkhead, and then its attempts, each at an endpoint and its pool. Forwarding and composition call the same
 * object, so they share what it knows.
 */
export interface Upstream {
  readonly name: string
  /** The base URLs that its services may name in their answers. */
  readonly bases: readonly string[]
  /** Bytes of a response that the gateway has to read, compressed or not. */
  readonly maxBody?: number
  /** Bytes up to which a response of known length is sent as one piece. */
  readonly bufferLimit: number
  /** Undefined for one that calls nothing. */
  readonly durations?: AttemptDurations
  /** Which of several upstreams takes a call of this exchange, if that is not always the same. */
  sideOf?(exchange: Exchange): string
  /** Calls back exactly once. Returns what cancels the call, or undefined if it was refused. */
  request(options: UpstreamRequest, callback: UpstreamCallback): Abortable | undefined
  state(): UpstreamState
  close(): Promise<void>
}

/** What surrounds an upstream. */
export interface UpstreamSurroundings {
  log: FastifyBaseLogger
  /** With the siblings of this process. */
  sharing?: Sharing | undefined
  /** Resolves the names of endpoints. Default: node's own. */
  lookup?: LookupFunction | undefined
}

export function createUpstream(
  name: string,
  options: UpstreamOptions,
  { log, sharing, lookup }: UpstreamSurroundings
): Upstream {
  const { concurrency, connections, timeout, idleTimeout, bufferLimit, maxBody } = options
  const breaker = createBreaker(name, options.breaker, (state, isFollowing) => {
    log.warn({ upstream: name, breaker: state, ...(isFollowing && { isFollowing }) }, 'breaker changed')
  })
  // With its URLs, so that one that a reload has moved elsewhere starts closed.
  if (options.breaker.shared) sharing?.join(`${name} ${basesOf(options).join(' ')}`, breaker)
  const endpoints = createEndpoints(name, { ...options, lookup }, log)
  const bulkhead = createBulkhead(
    () => concurrency.max ?? connections * Math.max(1, endpoints.size),
    concurrency.queue
  )
  const policy = createRetryPolicy(options.retry)
  const refuse = createRefusal(name, breaker, options.fallback)
  const counts: RetryCounts = { retries: 0, exhausted: 0 }
  const durations = new AttemptDurations()
  const guards: Guards = {
    breaker,
    bulkhead,
    endpoints,
    policy,
    connections,
    isHttp2: options.http2,
    timeout,
    idleTimeout,
    bufferLimit,
    maxBody,
    counts,
    durations,
    refuse
  }

  return {
    name,
    bases: basesOf(options),
    maxBody,
    bufferLimit,
    durations,
    request(request, callback) {
      const { abortReason: reason } = request.exchange
      if (reason !== undefined) {
        callback(reason)
        return undefined
      }
      if (!isSafeTarget(request.path)) {
        callback(new UnsafePath())
        return undefined
      }
      request.exchange.addUpstream(name)
      const permit = breaker.admit()
      if (permit === undefined) {
        refuse(request, callback)
        return undefined
      }
      if (bulkhead.turnsAway()) {
        breaker.report(permit, 'neutral')
        callback(createOverloaded())
        return undefined
      }
      const attempts = new Attempts(guards, request, permit, callback)
      bulkhead.enter(attempts)
      return attempts
    },
    state: () => ({
      name,
      breaker: { state: breaker.state, ...breaker.counts() },
      calls: { ...bulkhead.counts(), ...counts },
      endpoints: endpoints.state()
    }),
    async close() {
      breaker.close()
      await endpoints.close()
    }
  }
}
