import type { RetryReason } from '../schemas/options/upstreams.ts'
import type { UpstreamRequest } from './call-types.ts'
import { isStream, type Replay } from './replay.ts'
import type { UpstreamPolicies } from './upstream-policies.ts'

export interface FailedAttempt {
  reason: RetryReason
  retryAfter: string | undefined
  /** The retry is not counted in the budget. */
  isFree: boolean
  /** Retries that the call has made. */
  retries: number
  wasSent: boolean
  replay: Replay | undefined
}

/** Returns the milliseconds to the next attempt of a call, or undefined for none. */
export function retryDelay(
  { retry, breaker, counts }: UpstreamPolicies,
  { exchange, method, body }: UpstreamRequest,
  { reason, retryAfter, isFree, retries, wasSent, replay }: FailedAttempt
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
