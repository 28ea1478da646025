import { type Duplex, Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { DetachedExchange } from '../http/detached-exchange.ts'
import type { Abortable, Exchange } from '../http/exchange.ts'
import { DeadlineExceeded, IdleTimeout, Stopping } from '../http/exchange-errors.ts'
import { isBodyLate } from '../http/request-body.ts'
import type { Outcome } from './breaker.ts'
import {
  isLocalResourceExhaustion,
  toUpstreamError,
  UpstreamFailed,
  UpstreamInvalidResponse,
  UpstreamTimeout
} from './errors.ts'
import { readGrpcStatus, setGrpcStatus, toHttpStatus } from './grpc-status.ts'
import { ServiceTime } from './service-time.ts'
import { passEarlyHints, passTrailers } from './trailers.ts'

export type Headers = Record<string, string | string[] | undefined>

export interface UpstreamResponse {
  statusCode: number
  headers: Headers
  /** A Buffer when the answer was small or had to be collected, undefined when there can be none, else a stream. */
  body: Buffer | Readable | string | undefined
  /** Not the service's own: not to be kept as if it were. */
  isFallback?: boolean
  /** The connection, once the service has agreed to speak another protocol on it (101). */
  socket?: Duplex
}

export type UpstreamCallback = (error: Error | null, response?: UpstreamResponse) => void

/** Who made the call, and hears of it. */
export interface CallOwner {
  /** The head of an answer has come. True if the call is over by that: another one is made in its place. */
  onHead(statusCode: number, headers: Headers): boolean
  /** Exactly once unless `onHead` said true: what it comes to, and why it failed. Never both this and an answer's end. */
  onSettled(outcome: Outcome, error?: Error): void
  onResponse(response: UpstreamResponse): void
}

const MAX_INFORMATION = 16

interface Http2Controller extends Dispatcher.DispatchController {
  /** True if a response over HTTP/2 has no body: its headers have ended it. */
  isHeadersOnly?: boolean
}

/**
 * One call to an endpoint: undici's dispatch handler that collects a small answer into one Buffer (a stream costs as
 * much again as the whole exchange), streams any other, and settles exactly once what the breaker is to count.
 */
export class Call implements Dispatcher.DispatchHandler, Abortable {
  #owner: CallOwner
  #exchange: Exchange
  #limit: number
  #collectAll: boolean
  #isHead: boolean
  #controller: Dispatcher.DispatchController | undefined
  #leave: (() => void) | undefined
  #statusCode = 0
  #headers: Headers = {}
  #chunks: Buffer[] | undefined
  #size = 0
  #informed = 0
  #stream: Readable | undefined
  #failure: Error | undefined
  #isSettled = false
  #discarding: NodeJS.Timeout | undefined
  #timeout = 0
  #timer: NodeJS.Timeout | undefined
  #serviceTime: ServiceTime
  #waitsFor: 'body' | 'connection' | undefined

  /**
   * `limit`: bytes up to which an answer of known length is collected; with `collectAll` every answer is collected, and
   * one that grows beyond the limit fails. `startedAt`: by `performance.now()`. `waitsFor`: what delays the request:
   * the rest of the client's body, or a connection in use by other calls.
   */
  constructor(
    owner: CallOwner,
    exchange: Exchange,
    isHead: boolean,
    limit: number,
    collectAll: boolean,
    startedAt: number,
    waitsFor?: 'body' | 'connection'
  ) {
    this.#waitsFor = waitsFor
    this.#serviceTime = new ServiceTime(startedAt)
    this.#owner = owner
    this.#exchange = exchange
    this.#isHead = isHead
    this.#limit = limit
    this.#collectAll = collectAll
  }

  /** Start of the wait for the service, by `performance.now()`. */
  get waitsSince(): number {
    return this.#serviceTime.since
  }

  /** True once anything of the request may have reached the service. */
  get wasSent(): boolean {
    return this.#controller !== undefined
  }

  /** Milliseconds for a connection from now, and again for the headers of the response once the request has been sent. */
  expectHead(ms: number): void {
    this.#timeout = ms
    this.#timer = setTimeout(Call.#expire, ms, this)
  }

  /** `elapsed`: if a time has run out, how many ms it was; 0 if all of it was the service's. */
  abort(reason: Error, elapsed = this.#exchange.elapsed): void {
    this.#fail(reason, elapsed)
    if (this.#controller !== undefined) this.#controller.abort(reason)
    else this.#leave?.()
  }

  /** `leave` forgets the call, which waits for a stream of HTTP/2. */
  onQueued(leave: () => void): void {
    if (this.#failure !== undefined) leave()
    else this.#leave = leave
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#failure !== undefined) {
      controller.abort(this.#failure)
      return
    }
    this.#controller = controller
    if (this.#timeout > 0) this.#stopTimer()
  }

  onBodySent(): void {
    if (this.#waitsFor !== undefined) this.#serviceTime.sent()
  }

  onRequestSent(): void {
    if (this.#waitsFor !== undefined) this.#serviceTime.sent()
    if (this.#timeout > 0 && !this.#isSettled) this.#timer = setTimeout(Call.#expire, this.#timeout, this)
  }

  onResponseStart(controller: Dispatcher.DispatchController, statusCode: number, headers: Headers): void {
    if (statusCode < 200) {
      this.#inform(statusCode, headers)
      return
    }
    this.#timeout = 0
    this.#stopTimer()
    // RFC 9112, 6.1: what is in another coding would be passed on as if it were not.
    const coding = headers['transfer-encoding']
    if (statusCode > 599 || (coding !== undefined && String(coding).trim().toLowerCase() !== 'chunked')) {
      this.abort(new UpstreamInvalidResponse())
      return
    }
    this.#exchange.respondedAt = performance.now()
    if (this.#owner.onHead(statusCode, headers)) {
      this.#isSettled = true
      // Its connection is worth some bytes and a moment, no more; a rest that is not read would keep it for good.
      this.#discarding = setTimeout(abandon, DRAIN_TIME, controller)
      return
    }
    // RFC 9110, 8.6; there is no body that it could be the length of.
    if (statusCode === 204) delete headers['content-length']
    this.#statusCode = statusCode
    this.#headers = headers
    if (this.#collectAll || this.#isSmall() || (controller as Http2Controller).isHeadersOnly) {
      this.#chunks = []
      if (!this.#collectAll) this.#timer = setTimeout(Call.#streamLateBody, COLLECT_TIME, this)
      return
    }
    this.#startStream(controller)
  }

  #startStream(controller: Dispatcher.DispatchController): Readable {
    const stream = new Readable({
      read: () => {
        this.#serviceTime.resume()
        controller.resume()
      },
      destroy: (error, done) => {
        // Nobody reads on: the client has gone, or the reply was given up.
        if (this.#failure === undefined && !stream.readableEnded) this.abort(error ?? new UpstreamFailed())
        done(error)
      }
    })
    this.#stream = stream
    this.#owner.onResponse({ statusCode: this.#statusCode, headers: this.#headers, body: stream })
    return stream
  }

  /** Passes on the headers of a small response whose body does not come with them. */
  static #streamLateBody(call: Call): void {
    const chunks = call.#chunks
    if (call.#isSettled || chunks === undefined) return
    call.#chunks = undefined
    const stream = call.#startStream(call.#controller as Dispatcher.DispatchController)
    for (const chunk of chunks) stream.push(chunk)
  }

  /** Only called if an upgrade was asked for. The connection is no longer the pool's. */
  onRequestUpgrade(
    _controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: Headers,
    socket: Duplex
  ): void {
    if (this.#failure !== undefined) return void socket.destroy()
    this.#finish('success')
    this.#owner.onResponse({ statusCode, headers, body: undefined, socket })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#discarding !== undefined) {
      this.#size += chunk.length
      if (this.#size > DRAIN_SIZE) abandon(controller)
    } else if (this.#stream !== undefined) {
      if (!this.#stream.push(chunk)) {
        this.#serviceTime.pause()
        controller.pause()
      }
    } else if (this.#chunks !== undefined) {
      this.#size += chunk.length
      if (this.#size > this.#limit)
        this.abort(
          new UpstreamInvalidResponse({ cause: new Error(`it answered more than ${this.#limit} bytes`) })
        )
      else this.#chunks.push(chunk)
    }
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers?: Headers): void {
    if (this.#discarding !== undefined) {
      clearTimeout(this.#discarding)
      return
    }
    if (this.#failure !== undefined) return
    const status = this.#exchange.isGrpc ? this.#grpcStatus(trailers) : this.#statusCode
    this.#finish(status >= 500 ? this.#failedOutcome(status) : status >= 400 ? 'answered' : 'success')
    if (trailers !== undefined && this.#hasClient()) {
      passTrailers(trailers, this.#exchange.reply)
      this.#stream?.emit('trailers', trailers)
    }
    if (this.#stream !== undefined) {
      this.#stream.push(null)
      return
    }
    this.#owner.onResponse({ statusCode: this.#statusCode, headers: this.#headers, body: this.#collected() })
  }

  /** In the trailers, or in the head if there is nothing else; what has none in either is judged as HTTP. */
  #grpcStatus(trailers: Headers = {}): number {
    const status = readGrpcStatus(trailers) ?? readGrpcStatus(this.#headers)
    setGrpcStatus(this.#exchange, status)
    return status === undefined ? this.#statusCode : toHttpStatus(status)
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#discarding !== undefined) {
      clearTimeout(this.#discarding)
      return
    }
    this.#fail(toUpstreamError(error))
  }

  /** RFC 9110, 15.2: any number may come before the answer; a service that never comes to it is not waited for. */
  #inform(statusCode: number, headers: Headers): void {
    if (++this.#informed > MAX_INFORMATION)
      this.abort(
        new UpstreamInvalidResponse({ cause: new Error(`it gave ${MAX_INFORMATION} interim answers`) })
      )
    else if (statusCode === 103 && this.#hasClient()) passEarlyHints(headers, this.#exchange.reply)
  }

  /** That gets what the service says besides its answer: not of a part, nor of a copy. */
  #hasClient(): boolean {
    return !this.#collectAll && !(this.#exchange instanceof DetachedExchange)
  }

  #collected(): Buffer | undefined {
    const chunks = this.#chunks as Buffer[]
    if (this.#hasNoBody()) return undefined
    return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, this.#size)
  }

  /** RFC 9110, 6.4.1. Its `content-length`, if any, is of a body that would have been. */
  #hasNoBody(): boolean {
    return this.#isHead || this.#statusCode === 204 || this.#statusCode === 304
  }

  #isSmall(): boolean {
    if (this.#hasNoBody()) return true
    const length = this.#headers['content-length']
    return typeof length === 'string' && Number(length) <= this.#limit
  }

  /** Neutral if the service gave up at the client's own deadline, as it should. */
  #failedOutcome(status: number): Outcome {
    return status === 504 && this.#exchange.isGrpc && this.#exchange.isPastClientDeadline
      ? 'neutral'
      : 'failure'
  }

  /** `elapsed`: if a timer of the gateway's has run out, see `abort`. */
  #fail(error: Error & { statusCode?: number }, elapsed?: number): void {
    if (this.#failure !== undefined || (this.#isSettled && this.#stream === undefined)) return
    this.#failure = error
    const isNeutral =
      (error.statusCode ?? 500) < 500 ||
      error instanceof Stopping ||
      isLocalResourceExhaustion(error) ||
      (elapsed === undefined ? this.#serviceTime.isHeldUp : this.#waitsForReader()) ||
      (error.statusCode === 504 && elapsed !== undefined && !this.#isServiceLate(error, elapsed)) ||
      this.#exchange.isClientGone
    // A listener (grpc-response.ts) ends the response with a status.
    if (!this.#stream?.emit('failure', error)) this.#stream?.destroy(error)
    this.#finish(isNeutral ? 'neutral' : 'failure', error)
  }

  /** False if a timeout is not the service's fault. */
  #isServiceLate(error: Error, elapsed: number): boolean {
    if (this.#waitsForBody()) return false
    // A stream of events may be silent for as long as nothing happens.
    if (error instanceof IdleTimeout) return this.#stream === undefined
    if (error instanceof DeadlineExceeded && this.#exchange.isClientDeadline) return false
    // The gateway's own limit on connections.
    if (!this.wasSent && this.#waitsFor === 'connection') return false
    return this.#serviceTime.isFairOf(elapsed)
  }

  /** A stream that waits for a slow client is not the service's fault. */
  #waitsForReader(): boolean {
    return this.#stream !== undefined && this.#stream.readableLength >= this.#stream.readableHighWaterMark
  }

  /** Nor is a service slow that has not been sent all of the request: the client has not. */
  #waitsForBody(): boolean {
    return this.wasSent && this.#statusCode === 0 && isBodyLate(this.#exchange.reply.request.raw)
  }

  #stopTimer(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** After a process has stood still its timers come first: what has arrived by then is read before it is called late. */
  static #expire(call: Call): void {
    const timer = call.#timer
    setImmediate(() => {
      if (call.#timer === timer) call.abort(new UpstreamTimeout(), 0)
    })
  }

  #finish(outcome: Outcome, error?: Error): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#stopTimer()
    this.#owner.onSettled(outcome, error)
  }
}

/** Milliseconds that the headers of a small response wait for its body. Until then it can still be retried, or be a 502. */
const COLLECT_TIME = 500

/** Bytes and milliseconds of an answer that nobody wants. */
const DRAIN_SIZE = 16_384
const DRAIN_TIME = 500

function abandon(controller: Dispatcher.DispatchController): void {
  controller.abort(new Error('the answer is not wanted'))
}
