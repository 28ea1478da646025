import type { LookupFunction } from 'node:net'
import type { FastifyBaseLogger } from 'fastify'
import { isSafeTarget, UnsafePath } from '../http/path.ts'
import type { UpstreamOptions } from '../schemas/options/upstreams.ts'
import { AttemptDurations } from './attempt-durations.ts'
import { createBreaker } from './breaker.ts'
import { createBulkhead } from './bulkhead.ts'
import { basesOf, createEndpoints } from './endpoints/endpoints.ts'
import { createOverloaded } from './errors.ts'
import { createRejection } from './fallback.ts'
import { createRetryPolicy } from './retry.ts'
import type { Sharing } from './shared-breakers.ts'
import { shownAction, type UpstreamAction } from './upstream-action.ts'
import type { AttemptListeners } from './upstream-attempt.ts'
import { UpstreamCall } from './upstream-call.ts'
import type { UpstreamPolicies } from './upstream-policies.ts'
import type { RetryCounts, Upstream } from './upstream-types.ts'

export interface UpstreamSurroundings {
  log: FastifyBaseLogger
  /** Undefined in a process that shares no breakers. */
  sharing?: Sharing | undefined
  /** Resolves the names of endpoints. Default: Node's own. */
  lookup?: LookupFunction | undefined
  /** Listeners for the attempts. */
  listeners?: AttemptListeners | undefined
}

/**
 * Creates an upstream. A call meets its policies in this order: deadline (of the exchange), breaker, bulkhead, and then its
 * attempts, each at an endpoint and its pool.
 */
export function createUpstream(
  name: string,
  options: UpstreamOptions,
  { log, sharing, lookup, listeners }: UpstreamSurroundings
): Upstream {
  const { concurrency, connections, timeout, idleTimeout, bufferLimit, maxBody } = options
  const breaker = createBreaker(name, options.breaker, (state, isFollowing, cause) => {
    log.warn(
      { upstream: name, breaker: state, cause, ...(isFollowing && { isFollowing }) },
      `upstream "${name}": the breaker is ${state}${cause === undefined ? '' : ` after ${cause}`}`
    )
  })
  // With the URLs in its key, an upstream that a reload moves starts closed.
  if (options.breaker.shared) sharing?.join(`${name} ${basesOf(options).join(' ')}`, breaker)
  const endpoints = createEndpoints(name, { ...options, lookup }, log)
  const bulkhead = createBulkhead(
    () => concurrency.max ?? connections * Math.max(1, endpoints.size),
    concurrency.queue
  )
  const reject = createRejection(name, breaker, options.fallback)
  const counts: RetryCounts = { retries: 0, exhausted: 0 }
  const durations = new AttemptDurations()
  let forced: UpstreamAction | undefined
  const policies: UpstreamPolicies = {
    name,
    listeners,
    breaker,
    bulkhead,
    endpoints,
    retry: createRetryPolicy(options.retry),
    connections,
    isHttp2: options.http2,
    timeout,
    idleTimeout,
    bufferLimit,
    maxBody,
    counts,
    durations,
    reject
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
        reject(request, callback)
        return undefined
      }
      if (bulkhead.tryReject()) {
        breaker.report(permit, 'neutral')
        callback(createOverloaded(name))
        return undefined
      }
      const call = new UpstreamCall(policies, request, permit, callback)
      bulkhead.enter(call)
      return call
    },
    state: () => ({
      name,
      breaker: {
        state: breaker.state,
        ...breaker.counts(),
        ...breaker.times(),
        ...(forced && { action: shownAction(forced) })
      },
      calls: { ...bulkhead.counts(), ...counts },
      endpoints: endpoints.state()
    }),
    act(actions) {
      forced = actions.find(({ action }) => action === 'open')
      breaker.force(forced && Date.parse(forced.until))
      endpoints.act(actions)
    },
    reset: () => breaker.reset(),
    async close() {
      breaker.close()
      await endpoints.close()
    }
  }
}
