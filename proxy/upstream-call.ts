import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Abortable, Exchange } from '../http/exchange.ts'
import type { RetryReason } from '../schemas/options/upstreams.ts'
import {
  Call,
  type CallOwner,
  type Headers,
  type UpstreamCallback,
  type UpstreamResponse
} from './attempt.ts'
import type { AttemptDurations } from './attempt-durations.ts'
import type { Breaker, Outcome, Permit } from './breaker.ts'
import type { Bulkhead, Waiting } from './bulkhead.ts'
import type { Endpoint } from './endpoints/endpoint.ts'
import type { Endpoints } from './endpoints/endpoints.ts'
import { createUnavailable, speaksNoHttp1, UpstreamTimeout } from './errors.ts'
import { Replay } from './replay.ts'
import { isGoneAway, isUnprocessed, type RetryPolicy, retryAfterOf, retryReason } from './retry.ts'

export interface UpstreamRequest {
  exchange: Exchange
  method: string
  /** Path and query as they are to be sent. */
  path: string
  headers: Headers
  body?: string | Buffer | Readable | null
  /** Buffers the response whatever its size. Beyond the upstream's `maxBody` the call fails with 502. */
  buffer?: boolean
  /** The protocol to change to. If the service agrees, the answer has a `socket`. */
  upgrade?: string
}

/** What all calls to an upstream share. */
export interface Guards {
  readonly breaker: Breaker
  readonly bulkhead: Bulkhead
  readonly endpoints: Endpoints
  readonly policy: RetryPolicy
  /** A service may refuse a request of any method after it was sent. */
  readonly isHttp2?: boolean
  /** Connections to one endpoint at most. Default: no limit. */
  readonly connections?: number
  /** Milliseconds; 0: none. */
  readonly timeout: number
  readonly idleTimeout: number
  /** Bytes. */
  readonly bufferLimit: number
  readonly maxBody: number
  readonly counts: RetryCounts
  readonly durations: AttemptDurations
  /** Calls back with what a call gets that the breaker refuses. */
  refuse(request: UpstreamRequest, callback: UpstreamCallback): void
}

/** Since the start. */
export interface RetryCounts {
  retries: number
  /** Attempts that the budget did not let be made. */
  exhausted: number
}

/**
 * A call that the breaker has admitted, from its place in line through its attempts: each at an endpoint of its own as
 * long as there are others, each reported to its endpoint; the last one's outcome is the call's, for the breaker. Calls
 * back exactly once, and makes no further attempt after that.
 */
export class Attempts implements Abortable, CallOwner, Waiting {
  #guards: Guards
  #request: UpstreamRequest
  #callback: UpstreamCallback
  #permit: Permit
  #call: Call | undefined
  #endpoint: Endpoint | undefined
  #tried: Endpoint[] | undefined
  /** The last endpoint that failed. */
  #failed: Endpoint | undefined
  #replay: Replay | undefined
  #retries = 0
  #requestedAt = 0
  /** Start of the current attempt. */
  #startedAt = 0
  /** Milliseconds to the head of the attempt's answer, or to its failure. */
  #ms: number | undefined
  #backoff: NodeJS.Timeout | undefined
  #passing: NodeJS.Timeout | undefined
  #hasPassed = false
  #isAborted = false
  #isAnswered = false
  #isEnded = false

  constructor(guards: Guards, request: UpstreamRequest, permit: Permit, callback: UpstreamCallback) {
    this.#guards = guards
    this.#request = request
    this.#permit = permit
    this.#callback = callback
    this.#requestedAt = this.#startedAt = request.exchange.attach(this)
  }

  start(hasWaited: boolean): void {
    const { breaker, bulkhead, policy, timeout, isHttp2 = false, refuse } = this.#guards
    const { exchange, method, body } = this.#request
    if (hasWaited) {
      // The breaker may have opened since.
      breaker.report(this.#permit, 'neutral')
      const permit = breaker.admit()
      if (permit === undefined) {
        this.#isEnded = true
        exchange.detach(this)
        bulkhead.done()
        refuse(this.#request, this.#callback)
        return
      }
      this.#permit = permit
      this.#startedAt = performance.now()
    }
    if (isStream(body) && policy.attempts > 0 && (policy.repeats(method) || timeout > 0 || isHttp2))
      this.#replay = new Replay(body, policy.maxBody)
    policy.budget.call(this.#startedAt)
    this.#attempt()
  }

  /** For good: what fails by this is not tried again. */
  abort(reason: Error & { statusCode?: number }): void {
    if (this.#isEnded || this.#isAborted) return
    this.#isAborted = true
    const { breaker, bulkhead } = this.#guards
    const { exchange } = this.#request
    if (this.#call !== undefined) {
      // A part of a composition has its own timeout.
      const elapsed = reason instanceof UpstreamTimeout ? performance.now() - this.#requestedAt : undefined
      this.#call.abort(reason, elapsed)
      return
    }
    if (bulkhead.leave(this)) {
      this.#isEnded = true
      exchange.detach(this)
      breaker.report(this.#permit, 'neutral')
      this.#callback(reason)
      return
    }
    clearTimeout(this.#backoff)
    this.#end('neutral', reason)
  }

  onHead(statusCode: number, headers: Headers): boolean {
    // A client that is slow to send, or a queue, does not make the service slow.
    this.#ms = this.#request.exchange.respondedAt - (this.#call as Call).waitsSince
    if (statusCode < 429 || !this.#guards.policy.retries(statusCode as RetryReason)) return false
    const delay = this.#delayOf(statusCode as RetryReason, retryAfterOf(headers))
    if (delay === undefined) return false
    this.#leave(statusCode < 500 ? 'answered' : 'failure')
    this.#again(delay)
    return true
  }

  onResponse(response: UpstreamResponse): void {
    this.#isAnswered = true
    if (response.body instanceof Readable && response.statusCode < 400) this.#judgeStream(response)
    this.#callback(null, response)
  }

  onSettled(settled: Outcome, error?: Error): void {
    const isNotTaken = this.#request.upgrade !== undefined && this.#guards.isHttp2 && speaksNoHttp1(error)
    const outcome = isNotTaken ? 'neutral' : settled
    const isRetried = outcome === 'failure' || error instanceof UpstreamTimeout
    if (error !== undefined && isRetried && !this.#isAnswered && !this.#isAborted) {
      const reason = retryReason(error, (this.#call as Call).wasSent)
      // Nothing speaks against another endpoint, so it is asked at once.
      const isAtOnce = (reason === 'connect' || reason === 'reset') && this.#hasAnother()
      // The budget protects overloaded services. Free are a retry at another endpoint when nothing was sent, and the first
      // retry of a call that was not processed, as of all calls after a GOAWAY (like gRPC's transparent retries).
      const { wasSent } = this.#call as Call
      const isFree = (isAtOnce && !wasSent) || (isUnprocessed(error) && this.#retries === 0)
      const delay = reason === undefined ? undefined : this.#delayOf(reason, undefined, isFree)
      if (delay !== undefined) {
        this.#leave(outcome, isGoneAway(error) ? 'neutral' : outcome)
        this.#again(isAtOnce ? 0 : delay)
        return
      }
    }
    this.#leave(outcome)
    this.#end(outcome, error)
  }

  #attempt(): void {
    const { endpoints, connections, timeout, idleTimeout, bufferLimit, maxBody } = this.#guards
    const { exchange, method, path, headers, body = null, buffer = false, upgrade } = this.#request
    const endpoint = endpoints.pick(this.#request, this.#tried)
    // Its name has not been resolved yet.
    if (endpoint === undefined) {
      this.#end('neutral', createUnavailable(1))
      return
    }
    const isQueued = endpoint.inFlight >= (connections ?? Number.POSITIVE_INFINITY)
    const call = new Call(
      this,
      exchange,
      method === 'HEAD',
      buffer ? maxBody : bufferLimit,
      buffer,
      this.#startedAt,
      isQueued ? 'connection' : isStream(body) ? 'body' : undefined
    )
    this.#call = call
    this.#endpoint = endpoint
    endpoint.inFlight++
    exchange.attempts++
    exchange.endpoint = endpoint.url
    if (timeout > 0) call.expectHead(timeout)
    endpoint.dispatcher.dispatch(
      {
        path: endpoint.base + path,
        method: method as Dispatcher.HttpMethod,
        headers,
        body: this.#replay === undefined ? body : this.#replay.open(),
        bodyTimeout: idleTimeout,
        ...(upgrade !== undefined && { upgrade })
      },
      call
    )
  }

  /** Milliseconds to the next attempt, undefined for none. Takes it from the budget unless it `isFree`. */
  #delayOf(reason: RetryReason, retryAfter?: string, isFree = false): number | undefined {
    const { policy, breaker, counts } = this.#guards
    const { exchange, method, body } = this.#request
    if (this.#retries >= policy.attempts || !policy.retries(reason)) return undefined
    const { wasSent } = this.#call as Call
    // Requests that were not processed are repeated whatever their method: without a connection, or as HTTP/2 tells
    // (RFC 9113, 8.7).
    if (reason !== 'connect' && !policy.repeats(method)) return undefined
    if (isStream(body) && (this.#replay === undefined ? wasSent : !this.#replay.canReplay)) return undefined
    // A trial is one request; and to a service that is known to be down nothing is sent twice.
    if (breaker.state !== 'closed' || exchange.abortReason !== undefined || exchange.isClientGone)
      return undefined
    const delay = policy.delay(this.#retries + 1, retryAfter)
    if (delay === undefined || delay >= exchange.remaining) return undefined
    if (isFree) return delay
    if (policy.budget.take(performance.now())) return delay
    counts.exhausted++
    return undefined
  }

  #again(delay: number): void {
    this.#retries++
    this.#guards.counts.retries++
    if (delay === 0) this.#repeat()
    else this.#backoff = setTimeout(() => this.#repeat(), delay)
  }

  #repeat(): void {
    this.#startedAt = performance.now()
    this.#ms = undefined
    this.#attempt()
  }

  #hasAnother(): boolean {
    return this.#guards.endpoints.hasOther([...(this.#tried ?? []), this.#endpoint as Endpoint])
  }

  /**
   * Counts a response that may never end as a success at its headers, and as a failure if it breaks later. So is a
   * trial that still streams after `STREAM_PASSES` ms: most responses have ended by then, and a short gRPC response
   * ends with its status.
   */
  #judgeStream({ headers }: UpstreamResponse): void {
    const { exchange } = this.#request
    const isEndless = exchange.remaining === Number.POSITIVE_INFINITY
    const isEvents = String(headers['content-type']).startsWith('text/event-stream')
    if ((isEndless || isEvents) && !exchange.isGrpc) this.#pass()
    else if (isEndless || this.#guards.breaker.isTrial(this.#permit))
      this.#passing = setTimeout(() => this.#pass(), STREAM_PASSES)
  }

  #pass(): void {
    this.#hasPassed = true
    this.#guards.breaker.pass(this.#permit, this.#ms)
    this.#record('success')
  }

  #record(outcome: Outcome): void {
    const ms = this.#ms ?? performance.now() - this.#startedAt
    this.#endpoint?.report(outcome, ms)
    this.#guards.durations.observe(outcome, ms)
  }

  /** Ends the attempt at its endpoint. `reported`: the outcome for the endpoint. */
  #leave(outcome: Outcome, reported = outcome): void {
    const endpoint = this.#endpoint as Endpoint
    this.#ms ??= performance.now() - this.#startedAt
    clearTimeout(this.#passing)
    endpoint.inFlight--
    if (!this.#hasPassed || outcome === 'failure') this.#record(reported)
    this.#call = undefined
    if (reported === 'failure') this.#failed = endpoint
    if (outcome === 'success') return
    if (this.#tried === undefined) this.#tried = [endpoint]
    else this.#tried.push(endpoint)
  }

  /** Reports the outcome of the last attempt, or an earlier failure if the last one was neutral. */
  #end(last: Outcome, error?: Error): void {
    const { breaker, bulkhead, endpoints } = this.#guards
    const outcome = last === 'neutral' && this.#failed !== undefined && !this.#hasPassed ? 'failure' : last
    const failed = outcome === 'failure' ? this.#failed : undefined
    this.#isEnded = true
    this.#request.exchange.detach(this)
    if (!this.#hasPassed || outcome === 'failure') {
      const isOneOfSeveral = failed !== undefined && endpoints.hasOther([failed])
      breaker.report(this.#permit, outcome, this.#ms, isOneOfSeveral ? failed.url : undefined)
    }
    bulkhead.done()
    if (error !== undefined && !this.#isAnswered) this.#callback(error)
  }
}

/** Milliseconds. */
const STREAM_PASSES = 1_000

function isStream(body: UpstreamRequest['body']): body is Readable {
  return typeof body === 'object' && body !== null && !Buffer.isBuffer(body)
}
