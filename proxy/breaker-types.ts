import type { Cause, Failure } from '../http/cause.ts'
import type { HalfOpenChange, HeardOutcomes } from './breaker-messages.ts'
import type { OutcomeCounts } from './outcome-window.ts'

/** Circuit breaker for one upstream. */
export interface Breaker {
  /** Returns a permit, or undefined while calls are rejected. Report every permit exactly once. */
  admit(): Permit | undefined
  /**
   * Records the outcome of a call.
   * @param ms milliseconds to the response's headers, for `slow`
   * @param endpoint the one of several that failed, such as its URL; failures in a row of one alone eject it instead
   * @param failure for the history
   */
  report(permit: Permit, outcome: Outcome, ms?: number, endpoint?: unknown, failure?: Failure): void
  /** Records the success of a response that may never end. Report its permit afterwards only if it fails. */
  pass(permit: Permit, ms?: number): void
  /** True if the permit is of a half-open request that can still pass. */
  isHalfOpenRequest(permit: Permit): boolean
  /** Opens as another process's breaker did at `openedAt` (of the same clock), or closes at 0. `at`: when that changed. */
  follow(openedAt: number, at?: number): void
  /** Counts together with the breakers of other processes from here on. */
  share(peers: BreakerPeers): void
  /** Counts outcomes of other processes. */
  hear(outcomes: HeardOutcomes): void
  /** Counts half-open requests of other processes. */
  hearHalfOpen(change: HalfOpenChange): void
  /**
   * Rejects all calls until it is called again: an operator's order, which no half-open request ends. Afterwards the breaker
   * has the state that its calls have given it.
   * @param until when that is expected, in epoch ms; undefined ends it
   */
  force(until: number | undefined): void
  readonly isForced: boolean
  /** Closes at once and forgets all counts. */
  reset(): void
  /** Returns the seconds until a rejected call is worth repeating; sent as `Retry-After`. */
  retryAfter(): number
  readonly state: BreakerState
  counts(): BreakerCounts
  /** Returns when its state changed last and will change, and its history. */
  times(): BreakerTimes
  close(): void
}

/**
 * - `success`, `failure`: the upstream did, or did not do, its work.
 * - `answered`: a 4xx. Changes nothing while closed. A half-open request passes by it, since a service that is only asked
 *   for what it lacks would otherwise stay half-open.
 * - `neutral`: the upstream is not to blame (client gone, rejected here, too little time). Frees the half-open place.
 */
export type Outcome = 'success' | 'failure' | 'answered' | 'neutral'

export type BreakerState = 'closed' | 'open' | 'half-open'

/** A change of a breaker's state. `at`: ISO instant. */
export interface BreakerTransition {
  at: string
  state: BreakerState
  /** Why it opened: cause of the last failure, `slow-calls` or `operator`. Undefined if another worker's breaker opened it. */
  cause?: OpeningCause
}

export type OpeningCause = Cause | 'slow-calls' | 'operator'

/** Times are ISO instants. */
export interface BreakerTimes {
  /** When it closed, or when it opened: a failed half-open request does not change it. */
  since: string
  /** When half-open requests began last. Undefined while closed. */
  lastTriedAt?: string
  /** While open: when half-open requests begin. */
  until?: string
  /** The latest changes, the oldest first. */
  history: BreakerTransition[]
}

/** Grows with each change of state and each half-open round: results of calls from before a change are not settled. */
export type Permit = number

/** `calls`, `successes`, `failures`, `slow`: within the rolling window. All others: since the start. */
export interface BreakerCounts extends OutcomeCounts {
  /** Calls that were rejected. */
  rejected: number
  opened: number
  halfOpened: number
  closed: number
  slowTotal: number
}

/** Sends what a breaker has learned to those of other processes. */
export interface BreakerPeers {
  /** The breaker opened at `openedAt`, or closed (0). `at`: when. */
  changed(openedAt: number, at: number): void
  /** A call ended. `isUrgent`: it may decide something; otherwise it is sent with others. */
  settled(at: number, outcome: Outcome, isSlow: boolean, endpoint: unknown, isUrgent: boolean): void
  /** A call succeeded at this time, and has been counted. */
  succeeded(at: number): void
  /** Changes of the numbers of half-open requests that started and passed since the breaker opened. */
  halfOpenChanged(openedAt: number, started: number, passed: number): void
  /** Drops what has not been sent yet. */
  forget(): void
}
