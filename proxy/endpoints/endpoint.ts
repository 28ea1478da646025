import type { Dispatcher } from 'undici'
import type { Cause, Failure } from '../../http/cause.ts'
import type { Outcome } from '../breaker-types.ts'
import { type ShownAction, shownAction, type UpstreamAction } from '../upstream-action.ts'
import { hashOf } from './balance/hash.ts'
import type { Candidate } from './balance/policy.ts'
import type { Target } from './connection-pool.ts'
import { Outlier } from './outlier-detection.ts'

/** One base URL, or Unix socket, of an upstream. */
export interface Endpoint {
  /** As configured or resolved: for state, logs and metrics, never for clients. */
  readonly url: string
  /** Prefix of every request's path; '' if none. */
  readonly base: string
  readonly dispatcher: Dispatcher
  /** Attempts in progress. The caller of `pick()` counts them. */
  inFlight: number
  /** Reports each attempt, with its duration in ms, for passive health checks. */
  report(outcome: Outcome, ms: number): void
  /** Notes the last failure, for operators. */
  note(failure: Failure | undefined): void
}

export type EndpointHealth = 'healthy' | 'ejected' | 'unhealthy'

export interface EndpointState {
  url: string
  /** `ejected`: calls failed. `unhealthy`: health checks fail. */
  state: EndpointHealth
  /** ISO instant from which an ejected endpoint is used again. */
  ejectedUntil?: string
  lastError?: LastError
  weight: number
  inFlight: number
  /** Attempts since the start with a known outcome, and failed ones among them. */
  calls: number
  failures: number
  /** ms, as an exponential average over about ten attempts. */
  latency: number
  ejections: number
  /** Order of an operator that keeps calls from it. */
  action?: ShownAction
  check?: CheckState
}

/** `at`: ISO instant. */
export interface LastError {
  at: string
  cause: Cause
  detail?: string
}

export interface CheckState {
  /** Checks in a row. */
  passed: number
  failed: number
}

export class PooledEndpoint implements Endpoint, Candidate {
  readonly url: string
  readonly base: string
  dispatcher: Dispatcher
  readonly hash: number
  target: Target
  inFlight = 0
  calls = 0
  failures = 0
  latency = 0
  /** Result of the health checks. */
  isUnhealthy = false
  check: CheckState | undefined
  action: UpstreamAction | undefined
  #failure: Failure | undefined
  #failedAt = 0
  readonly outlier = new Outlier()
  #onReport: (endpoint: PooledEndpoint, outcome: Outcome) => void

  constructor(
    target: Target,
    dispatcher: Dispatcher,
    onReport: (endpoint: PooledEndpoint, outcome: Outcome) => void
  ) {
    this.url = target.url
    this.base = target.base
    this.target = target
    this.dispatcher = dispatcher
    this.hash = hashOf(target.url)
    this.#onReport = onReport
  }

  get weight(): number {
    return this.target.weight
  }

  get isUsable(): boolean {
    return !this.isUnhealthy && this.outlier.returnsAt === 0
  }

  report(outcome: Outcome, ms: number): void {
    if (outcome === 'neutral') return
    this.calls++
    if (outcome === 'failure') this.failures++
    this.latency = this.calls === 1 ? ms : this.latency + (ms - this.latency) * SMOOTHING
    this.#onReport(this, outcome)
  }

  note(failure: Failure | undefined): void {
    if (failure === undefined) return
    this.#failure = failure
    this.#failedAt = Date.now()
  }

  state(now: number): EndpointState {
    const { outlier, url, weight, inFlight, calls, failures, check, action } = this
    const returnsIn = Math.max(0, outlier.returnsAt - now)
    return {
      url,
      state: this.isUnhealthy ? 'unhealthy' : outlier.returnsAt === 0 ? 'healthy' : 'ejected',
      ...(outlier.returnsAt !== 0 && {
        ejectedUntil: new Date(Date.now() + returnsIn).toISOString()
      }),
      weight,
      inFlight,
      calls,
      failures,
      latency: Math.round(this.latency * 10) / 10,
      ejections: outlier.ejections,
      ...(this.#failure !== undefined && { lastError: lastErrorOf(this.#failure, this.#failedAt) }),
      ...(action && { action: shownAction(action) }),
      ...(check !== undefined && { check: { ...check } })
    }
  }
}

const SMOOTHING = 0.1

function lastErrorOf({ cause, detail }: Failure, at: number): LastError {
  return { at: new Date(at).toISOString(), cause, ...(detail !== undefined && { detail }) }
}
