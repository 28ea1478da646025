import type { AttemptDurations } from './attempt-durations.ts'
import type { Breaker } from './breaker-types.ts'
import type { Bulkhead } from './bulkhead.ts'
import type { UpstreamCallback, UpstreamRequest } from './call-types.ts'
import type { Endpoints } from './endpoints/endpoints.ts'
import type { RetryPolicy } from './retry.ts'
import type { AttemptListeners } from './upstream-attempt.ts'
import type { RetryCounts } from './upstream-types.ts'

/** Policies, limits and counters that all calls to an upstream share. */
export interface UpstreamPolicies {
  readonly name?: string
  /** Default: nobody listens. */
  readonly listeners?: AttemptListeners | undefined
  readonly breaker: Breaker
  readonly bulkhead: Bulkhead
  readonly endpoints: Endpoints
  readonly retry: RetryPolicy
  /** An HTTP/2 service may reject a request of any method after it was sent. */
  readonly isHttp2?: boolean
  /** Connections to one endpoint at most. Default: no limit. */
  readonly connections?: number
  /** Milliseconds; 0 for none. */
  readonly timeout: number
  readonly idleTimeout: number
  /** Bytes. */
  readonly bufferLimit: number
  readonly maxBody: number
  readonly counts: RetryCounts
  readonly durations: AttemptDurations
  /** Calls back with the error or fallback for calls that the breaker rejects. */
  reject(request: UpstreamRequest, callback: UpstreamCallback): void
}
