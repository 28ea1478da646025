import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Abortable } from '../http/exchange.ts'
import type { RetryReason } from '../schemas/options/upstreams.ts'
import { Attempt } from './attempt.ts'
import type { AttemptOwner } from './attempt-types.ts'
import type { Outcome, Permit } from './breaker-types.ts'
import type { QueuedCall } from './bulkhead.ts'
import type { Headers, UpstreamCallback, UpstreamRequest, UpstreamResponse } from './call-types.ts'
import type { Endpoint } from './endpoints/endpoint.ts'
import { createUnavailable, isOrdered, speaksNoHttp1, UpstreamTimeout } from './errors.ts'
import { isStream, Replay } from './replay.ts'
import { isGoneAway, isUnprocessed, retryAfterOf, retryReason } from './retry.ts'
import { retryDelay } from './retry-delay.ts'
import { observeAttempt, type UpstreamAttempt } from './upstream-attempt.ts'
import type { UpstreamPolicies } from './upstream-policies.ts'

/** Milliseconds after which a half-open request that still streams has passed. */
const STREAM_PASSES = 1_000

/**
 * A call that the breaker has admitted: waits in the bulkhead, then makes attempts, each at another endpoint if there is
 * one. Reports each attempt to its endpoint, and the outcome of the last to the breaker. Calls back exactly once, and makes
 * no attempt afterwards.
 */
export class UpstreamCall implements Abortable, AttemptOwner, QueuedCall {
  #policies: UpstreamPolicies
  #request: UpstreamRequest
  #callback: UpstreamCallback
  #permit: Permit
  #attempt: Attempt | undefined
  /** Ended before the next attempt, since nothing waits for the body of a response that is retried. */
  #observed: UpstreamAttempt | undefined
  #endpoint: Endpoint | undefined
  #tried: Endpoint[] | undefined
  /** The last endpoint that failed. */
  #failed: Endpoint | undefined
  #replay: Replay | undefined
  #retries = 0
  #requestedAt = 0
  /** Start of the current attempt. */
  #startedAt = 0
  /** Milliseconds to the response's headers, or to the failure of the attempt. */
  #ms: number | undefined
  #backoff: NodeJS.Timeout | undefined
  #passing: NodeJS.Timeout | undefined
  #hasPassed = false
  #isAborted = false
  #isAnswered = false
  #isEnded = false

  constructor(
    policies: UpstreamPolicies,
    request: UpstreamRequest,
    permit: Permit,
    callback: UpstreamCallback
  ) {
    this.#policies = policies
    this.#request = request
    this.#permit = permit
    this.#callback = callback
    this.#requestedAt = this.#startedAt = request.exchange.attach(this)
  }

  start(hasWaited: boolean): void {
    const { breaker, bulkhead, retry, timeout, isHttp2 = false, reject } = this.#policies
    const { exchange, method, body } = this.#request
    if (hasWaited) {
      // The breaker may have opened since.
      breaker.report(this.#permit, 'neutral')
      const permit = breaker.admit()
      if (permit === undefined) {
        this.#isEnded = true
        exchange.detach(this)
        bulkhead.done()
        reject(this.#request, this.#callback)
        return
      }
      this.#permit = permit
      this.#startedAt = performance.now()
    }
    if (isStream(body) && retry.attempts > 0 && (retry.repeats(method) || timeout > 0 || isHttp2))
      this.#replay = new Replay(body, retry.maxBody)
    retry.budget.call(this.#startedAt)
    this.#startAttempt()
  }

  /** Aborts the call. It is not retried. */
  abort(reason: Error & { statusCode?: number }): void {
    if (this.#isEnded || this.#isAborted) return
    this.#isAborted = true
    const { breaker, bulkhead } = this.#policies
    const { exchange } = this.#request
    if (this.#attempt !== undefined) {
      // A part of a composition has its own timeout.
      const elapsed = reason instanceof UpstreamTimeout ? performance.now() - this.#requestedAt : undefined
      this.#attempt.abort(reason, elapsed)
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
    this.#observed?.end()
    this.#end('neutral', reason)
  }

  onHeaders(statusCode: number, headers: Headers): boolean {
    // A slow upload or a queue does not make the service slow.
    this.#ms = this.#request.exchange.respondedAt - (this.#attempt as Attempt).waitsSince
    if (statusCode < 429 || !this.#policies.retry.retries(statusCode as RetryReason)) return false
    const delay = this.#retryDelay(statusCode as RetryReason, retryAfterOf(headers))
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
    const isHttp1Rejected =
      this.#request.upgrade !== undefined && this.#policies.isHttp2 && speaksNoHttp1(error)
    const outcome = isHttp1Rejected ? 'neutral' : settled
    const isRetried = outcome === 'failure' || error instanceof UpstreamTimeout || isOrdered(error)
    if (error !== undefined && isRetried && !this.#isAnswered && !this.#isAborted) {
      const reason = retryReason(error, (this.#attempt as Attempt).wasSent)
      // Another endpoint may work, so it is called at once.
      const isAtOnce = (reason === 'connect' || reason === 'reset') && this.#hasAnother()
      // The budget protects overloaded services. Free are a retry at another endpoint when nothing was sent, and the first
      // retry of a call that was not processed, as of all calls after a GOAWAY (like gRPC's transparent retries).
      const { wasSent } = this.#attempt as Attempt
      const isFree = (isAtOnce && !wasSent) || (isUnprocessed(error) && this.#retries === 0)
      const delay = reason === undefined ? undefined : this.#retryDelay(reason, undefined, isFree)
      if (delay !== undefined) {
        this.#leave(outcome, isGoneAway(error) ? 'neutral' : outcome)
        this.#again(isAtOnce ? 0 : delay)
        return
      }
    }
    this.#leave(outcome)
    this.#end(outcome, error)
  }

  #startAttempt(): void {
    const { endpoints, connections, timeout, idleTimeout, bufferLimit, maxBody } = this.#policies
    const { exchange, method, body = null, buffer = false, upgrade } = this.#request
    this.#observed?.end()
    const endpoint = endpoints.pick(this.#request, this.#tried)
    // DNS has not answered yet.
    if (endpoint === undefined) return void this.#end('neutral', createUnavailable(1))
    const isQueued = endpoint.inFlight >= (connections ?? Number.POSITIVE_INFINITY)
    const path = endpoint.base + this.#request.path
    const observed = observeAttempt(this.#policies, this.#request, endpoint.url, path, this.#retries)
    const { headers } = observed ?? this.#request
    const attempt = new Attempt(this, exchange, {
      isHead: method === 'HEAD',
      bufferLimit: buffer ? maxBody : bufferLimit,
      buffersAll: buffer,
      startedAt: this.#startedAt,
      waitsFor: isQueued ? 'connection' : isStream(body) ? 'body' : undefined,
      observed
    })
    this.#observed = observed
    this.#attempt = attempt
    this.#endpoint = endpoint
    endpoint.inFlight++
    exchange.attempts++
    exchange.endpoint = endpoint.url
    if (timeout > 0) attempt.startTimeout(timeout)
    endpoint.dispatcher.dispatch(
      {
        path,
        method: method as Dispatcher.HttpMethod,
        headers,
        body: this.#replay === undefined ? body : this.#replay.open(),
        bodyTimeout: idleTimeout,
        ...(upgrade !== undefined && { upgrade })
      },
      attempt
    )
  }

  #retryDelay(reason: RetryReason, retryAfter?: string, isFree = false): number | undefined {
    const { wasSent } = this.#attempt as Attempt
    const [retries, replay] = [this.#retries, this.#replay]
    return retryDelay(this.#policies, this.#request, { reason, retryAfter, isFree, retries, wasSent, replay })
  }

  #again(delay: number): void {
    this.#retries++
    this.#policies.counts.retries++
    if (delay === 0) this.#repeat()
    else this.#backoff = setTimeout(() => this.#repeat(), delay)
  }

  #repeat(): void {
    this.#startedAt = performance.now()
    this.#ms = undefined
    this.#startAttempt()
  }

  #hasAnother(): boolean {
    return this.#policies.endpoints.hasOther([...(this.#tried ?? []), this.#endpoint as Endpoint])
  }

  /**
   * Counts a response that may never end as a success at its headers, and as a failure if it breaks off later. The same
   * applies to a half-open request that still streams after `STREAM_PASSES`: most responses have ended by then, and a short
   * gRPC response ends with its status.
   */
  #judgeStream({ headers }: UpstreamResponse): void {
    const { exchange } = this.#request
    const isEndless = exchange.remaining === Number.POSITIVE_INFINITY
    const isEvents = String(headers['content-type']).startsWith('text/event-stream')
    if ((isEndless || isEvents) && !exchange.isGrpc) this.#pass()
    else if (isEndless || this.#policies.breaker.isHalfOpenRequest(this.#permit))
      this.#passing = setTimeout(() => this.#pass(), STREAM_PASSES)
  }

  #pass(): void {
    this.#hasPassed = true
    this.#policies.breaker.pass(this.#permit, this.#ms)
    this.#record('success')
  }

  #record(outcome: Outcome): void {
    const ms = this.#ms ?? performance.now() - this.#startedAt
    this.#endpoint?.report(outcome, ms)
    this.#policies.durations.observe(outcome, ms)
  }

  /** Ends the attempt at its endpoint. `reported`: the outcome for the endpoint. */
  #leave(outcome: Outcome, reported = outcome): void {
    const endpoint = this.#endpoint as Endpoint
    this.#ms ??= performance.now() - this.#startedAt
    clearTimeout(this.#passing)
    endpoint.inFlight--
    if (!this.#hasPassed || outcome === 'failure') this.#record(reported)
    this.#attempt = undefined
    if (reported === 'failure') this.#failed = endpoint
    if (outcome === 'success') return
    if (this.#tried === undefined) this.#tried = [endpoint]
    else this.#tried.push(endpoint)
  }

  /** Reports the outcome of the last attempt, or an earlier failure if the last one was neutral. */
  #end(last: Outcome, error?: Error): void {
    const { breaker, bulkhead, endpoints } = this.#policies
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
