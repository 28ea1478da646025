import type { Duplex, Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Failure } from '../http/cause.ts'
import { DetachedExchange } from '../http/detached-exchange.ts'
import type { Abortable, Exchange } from '../http/exchange.ts'
import { type AttemptProgress, outcomeOfFailure, outcomeOfResponse } from './attempt-blame.ts'
import { failureOfAttempt, failureOfStatus } from './attempt-cause.ts'
import type { AttemptOptions, AttemptOwner, Http2Controller } from './attempt-types.ts'
import type { Outcome } from './breaker-types.ts'
import type { Headers } from './call-types.ts'
import { DiscardedBody } from './discarded-body.ts'
import {
  createInvalidResponse,
  createTooLarge,
  toUpstreamError,
  UpstreamFailed,
  UpstreamTimeout
} from './errors.ts'
import { outcomeStatus } from './grpc-status.ts'
import { hasNoBody, isInvalidFraming, isSmall, MAX_INTERIM_RESPONSES } from './response-framing.ts'
import { createResponseStream } from './response-stream.ts'
import { ServiceTime } from './service-time.ts'
import { passEarlyHints, passTrailers } from './trailers.ts'

/** Milliseconds that the headers of a small response wait for its body. Until then it can still be retried, or be a 502. */
const BUFFER_TIME = 500

/**
 * One request to an endpoint, as undici's dispatch handler. Buffers small responses, since a stream costs as much again as
 * the whole exchange, streams others, and settles its outcome exactly once.
 */
export class Attempt implements Dispatcher.DispatchHandler, Abortable {
  #owner: AttemptOwner
  #exchange: Exchange
  #options: AttemptOptions
  #controller: Dispatcher.DispatchController | undefined
  #leaveQueue: (() => void) | undefined
  #statusCode = 0
  #headers: Headers = {}
  #chunks: Buffer[] | undefined
  #size = 0
  #interimResponses = 0
  #stream: Readable | undefined
  #failure: Error | undefined
  #isSettled = false
  #discarded: DiscardedBody | undefined
  #timeout = 0
  #timer: NodeJS.Timeout | undefined
  #serviceTime: ServiceTime

  constructor(owner: AttemptOwner, exchange: Exchange, options: AttemptOptions) {
    this.#owner = owner
    this.#exchange = exchange
    this.#options = options
    this.#serviceTime = new ServiceTime(options.startedAt)
  }

  /** Start of the wait for the service, by `performance.now()`. */
  get waitsSince(): number {
    return this.#serviceTime.since
  }

  /** True once anything of the request may have reached the service. */
  get wasSent(): boolean {
    return this.#controller !== undefined
  }

  /** Starts the timeout for a connection. It starts again for the response's headers once the request has been sent. */
  startTimeout(ms: number): void {
    this.#timeout = ms
    this.#timer = setTimeout(Attempt.#expire, ms, this)
  }

  /** `elapsed`: milliseconds of the timer that has fired; 0 if the service had all of them. */
  abort(reason: Error, elapsed = this.#exchange.elapsed): void {
    this.#fail(reason, elapsed)
    if (this.#controller !== undefined) this.#controller.abort(reason)
    else this.#leaveQueue?.()
  }

  /** Called while the request waits for an HTTP/2 stream. */
  onQueued(leave: () => void): void {
    if (this.#failure !== undefined) leave()
    else this.#leaveQueue = leave
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#failure !== undefined) return void controller.abort(this.#failure)
    this.#controller = controller
    if (this.#timeout > 0) this.#stopTimer()
  }

  onBodySent(chunk: Buffer): void {
    this.#options.observed?.onRequestData?.(chunk)
    if (this.#options.waitsFor !== undefined) this.#serviceTime.sent()
  }

  onRequestSent(): void {
    if (this.#options.waitsFor !== undefined) this.#serviceTime.sent()
    if (this.#timeout > 0 && !this.#isSettled) this.#timer = setTimeout(Attempt.#expire, this.#timeout, this)
  }

  onResponseStart(controller: Dispatcher.DispatchController, statusCode: number, headers: Headers): void {
    if (statusCode < 200) return void this.#onInterimResponse(statusCode, headers)
    this.#timeout = 0
    this.#stopTimer()
    if (isInvalidFraming(statusCode, headers)) {
      this.abort(createInvalidResponse('its status or transfer coding is not known'))
      return
    }
    this.#exchange.respondedAt = performance.now()
    this.#options.observed?.onHeaders(statusCode, headers)
    if (this.#owner.onHeaders(statusCode, headers)) {
      this.#isSettled = true
      this.#discarded = new DiscardedBody(controller, this.#options.observed)
      return
    }
    // RFC 9110, 8.6.
    if (statusCode === 204) delete headers['content-length']
    this.#statusCode = statusCode
    this.#headers = headers
    if (
      this.#options.buffersAll ||
      isSmall(this.#options, statusCode, headers) ||
      (controller as Http2Controller).isHeadersOnly
    ) {
      this.#chunks = []
      if (!this.#options.buffersAll) this.#timer = setTimeout(Attempt.#streamLateBody, BUFFER_TIME, this)
      return
    }
    this.#startStream(controller)
  }

  #startStream(controller: Dispatcher.DispatchController): Readable {
    const stream = createResponseStream(controller, this.#serviceTime, error => {
      if (this.#failure === undefined && !stream.readableEnded) this.abort(error ?? new UpstreamFailed())
    })
    this.#stream = stream
    this.#respond(stream)
    return stream
  }

  /** Passes on the headers of a small response whose body does not come with them. */
  static #streamLateBody(attempt: Attempt): void {
    const chunks = attempt.#chunks
    if (attempt.#isSettled || chunks === undefined) return
    attempt.#chunks = undefined
    const stream = attempt.#startStream(attempt.#controller as Dispatcher.DispatchController)
    for (const chunk of chunks) stream.push(chunk)
  }

  /** Called only if an upgrade was requested. The connection no longer belongs to the pool. */
  onRequestUpgrade(
    _controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: Headers,
    socket: Duplex
  ): void {
    if (this.#failure !== undefined) return void socket.destroy()
    this.#options.observed?.onHeaders(statusCode, headers)
    this.#finish('success')
    this.#owner.onResponse({ statusCode, headers, body: undefined, socket, source: this.#owner })
    this.#options.observed?.end()
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#options.observed?.onResponseData?.(chunk)
    if (this.#discarded !== undefined) this.#discarded.add(chunk)
    else if (this.#stream !== undefined) {
      if (!this.#stream.push(chunk)) {
        this.#serviceTime.pause()
        controller.pause()
      }
    } else if (this.#chunks !== undefined) {
      this.#size += chunk.length
      if (this.#size > this.#options.bufferLimit) this.abort(createTooLarge(this.#options.bufferLimit))
      else this.#chunks.push(chunk)
    }
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers?: Headers): void {
    if (this.#discarded !== undefined) return void this.#discarded.end()
    if (this.#failure !== undefined) return
    const status = outcomeStatus(this.#exchange, this.#statusCode, this.#headers, trailers)
    const failure = failureOfStatus(status)
    this.#finish(outcomeOfResponse(this.#exchange, status), failure)
    if (trailers !== undefined && this.#hasClient()) {
      passTrailers(trailers, this.#exchange.reply)
      this.#stream?.emit('trailers', trailers)
    }
    if (this.#stream !== undefined) this.#stream.push(null)
    else this.#respond(this.#bufferedBody())
    // Its reader may have blamed it before.
    this.#options.observed?.end(failure)
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#discarded !== undefined) return void this.#discarded.end()
    this.#fail(toUpstreamError(error))
  }

  /** RFC 9110, 15.2: any number may come. A service that never sends its response is not waited for. */
  #onInterimResponse(statusCode: number, headers: Headers): void {
    if (++this.#interimResponses > MAX_INTERIM_RESPONSES)
      this.abort(
        createInvalidResponse(`the service sent more than ${MAX_INTERIM_RESPONSES} interim responses`)
      )
    else if (statusCode === 103 && this.#hasClient()) passEarlyHints(headers, this.#exchange.reply)
  }

  #respond(body: Readable | Buffer | undefined): void {
    const source = this.#owner
    source.onResponse({ statusCode: this.#statusCode, headers: this.#headers, body, source })
  }

  /** True if 1xx responses and trailers go to a client: not for buffered responses or mirrored requests. */
  #hasClient(): boolean {
    return !this.#options.buffersAll && !(this.#exchange instanceof DetachedExchange)
  }

  #bufferedBody(): Buffer | undefined {
    const chunks = this.#chunks as Buffer[]
    if (hasNoBody(this.#options.isHead, this.#statusCode)) return undefined
    return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, this.#size)
  }

  #fail(error: Error & { statusCode?: number }, elapsed?: number): void {
    if (this.#failure !== undefined || (this.#isSettled && this.#stream === undefined)) return
    this.#failure = error
    const stream = this.#stream
    const progress: AttemptProgress = {
      exchange: this.#exchange,
      serviceTime: this.#serviceTime,
      wasSent: this.wasSent,
      hasHeaders: this.#statusCode !== 0,
      isStreaming: stream !== undefined,
      isReaderSlow: stream !== undefined && stream.readableLength >= stream.readableHighWaterMark,
      isQueued: this.#options.waitsFor === 'connection'
    }
    const outcome = outcomeOfFailure(error, elapsed, progress)
    const failure = failureOfStatus(this.#statusCode) ?? failureOfAttempt(error, progress)
    // A listener (grpc-response.ts) ends the response with a status.
    if (!stream?.emit('failure', error)) stream?.destroy(error)
    // Before a retry starts.
    this.#options.observed?.end(failure)
    this.#finish(outcome, failure, error)
  }

  #stopTimer(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** After the process was suspended, its timers run first. Reads what has arrived meanwhile before the attempt fails. */
  static #expire(attempt: Attempt): void {
    const timer = attempt.#timer
    setImmediate(() => {
      if (attempt.#timer === timer) attempt.abort(new UpstreamTimeout(), 0)
    })
  }

  #finish(outcome: Outcome, failure?: Failure, error?: Error): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#stopTimer()
    this.#owner.onSettled(outcome, failure, error)
  }
}
