import type { Abortable, Exchange } from '../http/exchange.ts'
import type { AttemptDurations } from './attempt-durations.ts'
import type { BreakerCounts, BreakerState, BreakerTimes } from './breaker-types.ts'
import type { BulkheadCounts } from './bulkhead.ts'
import type { UpstreamCallback, UpstreamRequest } from './call-types.ts'
import type { EndpointState } from './endpoints/endpoint.ts'
import type { Actionable, ShownAction } from './upstream-action.ts'

/**
 * A named service with everything that guards it. Forwarding, transformation and composition call the same object, so they
 * share its state.
 */
export interface Upstream extends Actionable {
  /** Base URLs that its services may use in their responses. */
  readonly bases: readonly string[]
  /** Bytes of a response that the gateway reads, compressed or not. */
  readonly maxBody?: number
  /** Bytes up to which a response of known length is buffered instead of streamed. */
  readonly bufferLimit: number
  /** Undefined for an upstream that calls nothing. */
  readonly durations?: AttemptDurations
  /** Returns the name of the upstream that takes the calls of this exchange, if a split chooses it. */
  sideOf?(exchange: Exchange): string
  /** Calls back exactly once. Returns what aborts the call, or undefined if it was rejected. */
  request(request: UpstreamRequest, callback: UpstreamCallback): Abortable | undefined
  state(): UpstreamState
  close(): Promise<void>
}

export interface UpstreamState {
  name: string
  breaker: { state: BreakerState; action?: ShownAction } & BreakerCounts & BreakerTimes
  calls: BulkheadCounts & RetryCounts
  endpoints: EndpointState[]
  mirror?: MirrorCounts
}

/** Counts since the start. */
export interface RetryCounts {
  retries: number
  /** Retries that the budget did not allow. */
  exhausted: number
}

/** Counts since the start. */
export interface MirrorCounts {
  sent: number
  /** Not sent: too many in progress, a body that is too large or was not read completely, a call that was not made. */
  dropped: number
  /** Sent, but failed or answered with 5xx. */
  failed: number
}
