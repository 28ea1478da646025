import type { Dispatcher } from 'undici'
import type { Failure } from '../http/cause.ts'
import type { Abortable } from '../http/exchange.ts'
import { failureOf } from '../http/failure.ts'
import type { ProblemError } from '../http/problem.ts'
import type { RetryReason } from '../schemas/options/upstreams.ts'
import { Attempt } from './attempt.ts'
import { failureOfReader, failureOfStatus } from './attempt-cause.ts'
import type { AttemptOwner } from './attempt-types.ts'
import type { Outcome, Permit } from './breaker-types.ts'
import type { QueuedCall } from './bulkhead.ts'
import type { Headers, UpstreamCallback, UpstreamRequest, UpstreamResponse } from './call-types.ts'
import type { Endpoint } from './endpoints/endpoint.ts'
import { createUnavailable, isOrdered, speaksNoHttp1, type UpstreamError, UpstreamTimeout } from './errors.ts'
import { isStream, Replay } from './replay.ts'
import { isGoneAway } from './retry.ts'
import { type CallProgress, delayAfterError, delayAfterStatus } from './retry-delay.ts'
import { successDelay } from './stream-success.ts'
import { observeAttempt, type UpstreamAttempt } from './upstream-attempt.ts'
import type { UpstreamPolicies } from './upstream-policies.ts'

const NO_ADDRESS: Failure = { cause: 'dns-failed', detail: 'DNS has not responded since the start' }
const NO_ENDPOINT: Failure = { cause: 'no-endpoint', detail: 'an operator has taken all endpoints out' }

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
      this.#callback(this.#explain(reason))
      return
    }
    clearTimeout(this.#backoff)
    this.#observed?.end()
    this.#end('neutral', undefined, reason)
  }

  onHeaders(statusCode: number, headers: Headers): boolean {
    // A slow upload or a queue does not make the service slow.
    this.#ms = this.#request.exchange.respondedAt - (this.#attempt as Attempt).waitsSince
    if (statusCode < 429 || !this.#policies.retry.retries(statusCode as RetryReason)) return false
    const delay = delayAfterStatus(this.#policies, this.#request, statusCode, headers, this.#progress())
    if (delay === undefined) return false
    this.#leave(statusCode < 500 ? 'answered' : 'failure', failureOfStatus(statusCode))
    this.#again(delay)
    return true
  }

  onResponse(response: UpstreamResponse): void {
    this.#isAnswered = true
    const delay = successDelay(response, this.#request.exchange, this.#policies.breaker, this.#permit)
    if (delay === 0) this.#pass()
    else if (delay !== undefined) this.#passing = setTimeout(() => this.#pass(), delay)
    this.#callback(null, response)
  }

  blame(error: ProblemError): void {
    const failure = failureOfReader(error)
    error.failure = this.#locate(failure)
    this.#observed?.end(failure)
    if (failure.cause !== 'service-rejected') this.#endpoint?.note(failure)
  }

  onSettled(settled: Outcome, failure?: Failure, error?: Error): void {
    const isHandshake = this.#request.upgrade !== undefined
    const outcome = isHandshake && this.#policies.isHttp2 && speaksNoHttp1(error) ? 'neutral' : settled
    const isRetried = outcome === 'failure' || error instanceof UpstreamTimeout || isOrdered(error)
    if (error !== undefined && isRetried && !this.#isAnswered && !this.#isAborted) {
      const delay = delayAfterError(this.#policies, this.#request, error, this.#progress())
      if (delay !== undefined) {
        this.#leave(outcome, failure, isGoneAway(error) ? 'neutral' : outcome)
        this.#again(delay)
        return
      }
    }
    this.#leave(outcome, failure)
    this.#end(outcome, failure, error)
  }

  #startAttempt(): void {
    const { endpoints, connections, timeout, idleTimeout, bufferLimit, maxBody } = this.#policies
    const { exchange, method, body = null, buffer = false, upgrade } = this.#request
    this.#observed?.end()
    const endpoint = endpoints.pick(this.#request, this.#tried)
    if (endpoint === undefined)
      return void this.#end('neutral', endpoints.size > 0 ? NO_ENDPOINT : NO_ADDRESS, createUnavailable(1))
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

  #progress(): CallProgress {
    const { wasSent } = this.#attempt as Attempt
    const tried = [...(this.#tried ?? []), this.#endpoint as Endpoint]
    return { retries: this.#retries, wasSent, replay: this.#replay, tried }
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
  #leave(outcome: Outcome, failure: Failure | undefined, reported = outcome): void {
    const endpoint = this.#endpoint as Endpoint
    this.#ms ??= performance.now() - this.#startedAt
    clearTimeout(this.#passing)
    endpoint.inFlight--
    if (!this.#hasPassed || outcome === 'failure') this.#record(reported)
    this.#attempt = undefined
    if (reported === 'failure') this.#failed = endpoint
    if (reported === 'failure') endpoint.note(failure)
    if (outcome === 'success') return
    if (this.#tried === undefined) this.#tried = [endpoint]
    else this.#tried.push(endpoint)
  }

  /** Reports the outcome of the last attempt, or an earlier failure if the last one was neutral. */
  #end(last: Outcome, failure?: Failure, error?: Error): void {
    const { breaker, bulkhead, endpoints } = this.#policies
    const outcome = last === 'neutral' && this.#failed !== undefined && !this.#hasPassed ? 'failure' : last
    const failed = outcome === 'failure' ? this.#failed : undefined
    this.#isEnded = true
    this.#request.exchange.detach(this)
    if (!this.#hasPassed || outcome === 'failure') {
      const isOneOfSeveral = failed !== undefined && endpoints.hasOther([failed])
      breaker.report(this.#permit, outcome, this.#ms, isOneOfSeveral ? failed.url : undefined, failure)
    }
    bulkhead.done()
    if (error === undefined) this.#request.exchange.responseFailure = failure && this.#locate(failure)
    else if (this.#isAnswered) this.#request.exchange.abort(this.#explain(error, failure))
    else this.#callback(this.#explain(error, failure))
  }

  /** Adds the failure to an error, unless another call of the exchange has. */
  #explain(error: UpstreamError, failure?: Failure): Error {
    error.failure ??= this.#locate(failure ?? failureOf(error, this.#request.exchange.isClientDeadline))
    return error
  }

  #locate(failure: Failure): Failure {
    return { ...failure, upstream: this.#policies.name, endpoint: this.#endpoint?.url }
  }
}
