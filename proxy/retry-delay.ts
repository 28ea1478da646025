import type { RetryReason } from '../schemas/options/upstreams.ts'
import type { Headers, UpstreamRequest } from './call-types.ts'
import type { Endpoint } from './endpoints/endpoint.ts'
import { isStream, type Replay } from './replay.ts'
import { isUnprocessed, retryAfterOf, retryReason } from './retry.ts'
import type { UpstreamPolicies } from './upstream-policies.ts'

/** State of a call whose attempt has failed. */
export interface CallProgress {
  /** Retries that the call has made. */
  retries: number
  wasSent: boolean
  replay: Replay | undefined
  /** Endpoints that have failed the call. */
  tried: readonly Endpoint[]
}

/** Returns the milliseconds to the next attempt of a call after a response, or undefined for none. */
export function delayAfterStatus(
  policies: UpstreamPolicies,
  request: UpstreamRequest,
  status: number,
  headers: Headers,
  progress: CallProgress
): number | undefined {
  return retryDelay(policies, request, status as RetryReason, retryAfterOf(headers), false, progress)
}

/** The same after an error. Another endpoint may work, so it is called at once. */
export function delayAfterError(
  policies: UpstreamPolicies,
  request: UpstreamRequest,
  error: Error,
  progress: CallProgress
): number | undefined {
  const { wasSent, retries, tried } = progress
  const reason = retryReason(error, wasSent)
  if (reason === undefined) return undefined
  const isAtOnce = (reason === 'connect' || reason === 'reset') && policies.endpoints.hasOther(tried)
  // The budget protects overloaded services. Free are a retry at another endpoint when nothing was sent, and the first
  // retry of a call that was not processed, as of all calls after a GOAWAY (like gRPC's transparent retries).
  const isFree = (isAtOnce && !wasSent) || (isUnprocessed(error) && retries === 0)
  const delay = retryDelay(policies, request, reason, undefined, isFree, progress)
  return delay !== undefined && isAtOnce ? 0 : delay
}

/** `isFree`: the retry is not counted in the budget. */
function retryDelay(
  { retry, breaker, counts }: UpstreamPolicies,
  { exchange, method, body }: UpstreamRequest,
  reason: RetryReason,
  retryAfter: string | undefined,
  isFree: boolean,
  { retries, wasSent, replay }: CallProgress
): number | undefined {
  if (retries >= retry.attempts || !retry.retries(reason)) return undefined
  // Without a connection, or as HTTP/2 tells (RFC 9113, 8.7), the request was not processed: any method may be repeated.
  if (reason !== 'connect' && !retry.repeats(method)) return undefined
  if (isStream(body) && (replay === undefined ? wasSent : !replay.canReplay)) return undefined
  // A half-open request is one request, and a service that is known to be down gets nothing twice.
  if (breaker.state !== 'closed' || exchange.abortReason !== undefined || exchange.isClientGone)
    return undefined
  const delay = retry.delay(retries + 1, retryAfter)
  if (delay === undefined || delay >= exchange.remaining) return undefined
  if (isFree || retry.budget.take(performance.now())) return delay
  counts.exhausted++
  return undefined
}
