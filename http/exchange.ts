import type { ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Span } from '@opentelemetry/api'
import type { FastifyContextConfig, FastifyReply } from 'fastify'
import type { Cause, Failure } from './cause.ts'
import { respondAtDeadline } from './deadline.ts'
import { ClientClosedRequest, DeadlineExceeded } from './exchange-errors.ts'
import type { ExchangeTrace } from './exchange-trace.ts'
import { failureOf, finalFailure } from './failure.ts'
import { isInjected } from './light-my-request-internals.ts'
import { TimerEntry, type TimerQueue } from './timer-queue.ts'
import { passedTraceparent } from './trace-context.ts'

export type ExchangeListener = (exchange: Exchange) => void

/** A call or wait that ends with its exchange. */
export interface Abortable {
  abort(reason: Error): void
}

/**
 * One request and its response: the deadline, the calls to abort with it, and facts that patterns note for the listeners of
 * its end.
 */
export class Exchange extends TimerEntry {
  readonly reply: FastifyReply
  /** Pattern of the route, for logs and labels: bounded, unlike paths. Undefined if no route matched. */
  readonly route: string | undefined
  /** Config of the route, with its scope and version. */
  readonly config: FastifyContextConfig
  /** Creates the `traceparent` of a new trace. */
  readonly createTraceparent: () => string
  /** Kept here, since Node removes it from the request before the exchange ends. */
  readonly socket: Socket
  /** Why the exchange ended before its response was complete. */
  abortReason: Error | undefined = undefined
  /** Why the exchange failed: of an error from when that is sent, otherwise once the exchange has ended. */
  failure: Failure | undefined = undefined
  /** Failure that the last response of a service stands for; counts if the client gets that response. */
  responseFailure: Failure | undefined = undefined
  /** True if a deadline that the client chose has passed, so that no service is to blame. */
  isClientDeadline = false
  /** Requests sent to upstreams, retries included. */
  attempts = 0
  /** Name of the upstream that was called; several are separated by commas. */
  upstream: string | undefined = undefined
  /** URL of the endpoint that was called last; once the exchange has failed, of the one that is the reason. */
  endpoint: string | undefined = undefined
  /** Decision of the last limit that was checked, and its tier. */
  decision: LimitDecision | undefined = undefined
  tier: string | undefined = undefined
  /** Address of the client behind trusted proxies, if the access log needs it. */
  clientAddress: string | undefined = undefined
  /** Result of a cache look-up, for a cache in front of the upstream. */
  cache: string | undefined = undefined
  isGrpc = false
  grpcStatus: number | undefined = undefined
  /** HTTP status that stands for the outcome if the response carries it elsewhere, as gRPC does in its trailers. */
  outcomeStatus: number | undefined = undefined
  /** SERVER span, which records nothing unless the trace is sampled. Undefined without the otel plugin. */
  span: Span | undefined = undefined
  /** Undefined without the otel plugin, and unless the trace is sampled. */
  trace: ExchangeTrace | undefined = undefined
  /** Record that the listeners of the end share; the exchange does not read it. */
  record: unknown = undefined
  /** Times by `performance.now()`, 0 until then: request headers, first upstream call, last response headers, end. */
  readonly startedAt = performance.now()
  calledAt = 0
  respondedAt = 0
  endedAt = 0
  #traceparent: string | undefined
  #calls: Abortable[] = []
  #clientDueAt = Number.POSITIVE_INFINITY
  /** Undefined without a deadline. */
  #timers: TimerQueue | undefined

  /** @param listeners called when the exchange ends; undefined for a detached exchange, which has no client */
  constructor(
    reply: FastifyReply,
    route: string | undefined,
    config: FastifyContextConfig,
    timers: TimerQueue | undefined,
    createTraceparent: () => string,
    listeners?: ExchangeListener[]
  ) {
    super()
    this.reply = reply
    this.route = route
    this.config = config
    this.socket = reply.request.raw.socket
    this.createTraceparent = createTraceparent
    this.#timers = timers
    if (listeners === undefined) return
    // Starts now, since the deadline covers hooks and handlers too.
    this.#startTimer()
    reply.raw.on('close', () => {
      this.endedAt = performance.now()
      this.stopTimer()
      if (!this.isComplete) {
        this.abort(new ClientClosedRequest())
        // Shown by log and metrics; otherwise it would be Fastify's default, 200.
        if (!reply.raw.headersSent) reply.raw.statusCode = 499
      }
      this.failure = finalFailure(this)
      if (this.failure?.upstream !== undefined) this.endpoint = this.failure.endpoint
      for (const listener of listeners) listener(this)
    })
  }

  /** Milliseconds from the request headers to now or the end. */
  get elapsed(): number {
    return (this.endedAt || performance.now()) - this.startedAt
  }

  /** The `traceparent` that services receive: the client's, or that of a new trace. */
  get traceparent(): string {
    this.#traceparent ??=
      passedTraceparent(this.reply.request.headers.traceparent) ?? this.createTraceparent()
    return this.#traceparent
  }

  set traceparent(value: string) {
    this.#traceparent = value
  }

  get traceId(): string {
    return this.traceparent.slice(3, 35)
  }

  /** True if the trace is marked as sampled (W3C Trace Context, 3.2.2.5.1). */
  get isSampled(): boolean {
    return (Number.parseInt(this.traceparent.slice(53, 55), 16) & 1) === 1
  }

  /** HTTP status of the outcome. */
  get status(): number {
    return this.outcomeStatus ?? this.reply.statusCode
  }

  /** True for a 5xx or an aborted response: what an operator needs to see. */
  get isFailed(): boolean {
    return this.status >= 500 || !this.isComplete
  }

  /** Cause for which the exchange did not end well. Undefined for a complete response below 400. */
  get cause(): Cause | undefined {
    return this.failure?.cause
  }

  get causeDetail(): string | undefined {
    return this.failure?.detail
  }

  /** Notes the error for which the exchange fails. Only the first one counts. */
  fail(error: Error): void {
    this.failure ??= failureOf(error, this.isClientDeadline)
  }

  /** Notes the upstream that is called. Each of several, as in a composition, is named once. */
  addUpstream(name: string): void {
    if (this.upstream === undefined) this.upstream = name
    else if (this.upstream !== name && !this.upstream.split(',').includes(name)) this.upstream += `,${name}`
  }

  /** Milliseconds until the deadline. */
  get remaining(): number {
    return (this.#timers?.ms ?? Number.POSITIVE_INFINITY) - this.elapsed
  }

  /** True once the last byte of the response was handed to the operating system. */
  get isComplete(): boolean {
    const { raw } = this.reply
    const { writableFinished, writableEnded, stream } = raw as ServerResponse & { stream?: ServerHttp2Stream }
    const isSent = writableFinished || (writableEnded && isInjected(raw))
    // Node 22 also finishes a response that was sent after its client had disconnected, and HTTP/2 a stream that was reset.
    return isSent && stream?.aborted !== true && !(this.abortReason instanceof ClientClosedRequest)
  }

  /** Sets a deadline that the client chose, in milliseconds from now. The earliest deadline applies. */
  setClientDeadline(milliseconds: number): void {
    this.#clientDueAt = Math.min(this.#clientDueAt, performance.now() + milliseconds * SHORTENED)
    const timer = setTimeout(() => {
      this.isClientDeadline = true
      this.expire()
    }, milliseconds)
    this.reply.raw.on('close', () => clearTimeout(timer))
  }

  /** True once the client's deadline has passed, or may have passed by the clock of a service that knows it. */
  get isPastClientDeadline(): boolean {
    return performance.now() >= this.#clientDueAt
  }

  /** Aborts `call` if the exchange is aborted. Returns the time by `performance.now()`. */
  attach(call: Abortable): number {
    const now = performance.now()
    if (this.calledAt === 0) this.calledAt = now
    // A detached exchange starts its timer with the first call.
    if (this.dueAt === 0 && this.endedAt === 0) this.#startTimer()
    this.#calls.push(call)
    return now
  }

  detach(call: Abortable): void {
    const calls = this.#calls
    const index = calls.indexOf(call)
    if (index === calls.length - 1) calls.pop()
    else if (index !== -1) calls.splice(index, 1)
  }

  /**
   * Waits for something other than a service, such as an issuer's keys. Returns the function that ends the wait.
   * @param done called once: with the error given to that function, with `late()` at the deadline, or with the reason for
   * which the exchange was aborted
   */
  hold(done: (error?: Error) => void, late: () => Error): (error?: Error) => void {
    let isOver = false
    const end = (error?: Error): void => {
      if (isOver) return
      isOver = true
      this.detach(wait)
      done(error)
    }
    const wait = { abort: (reason: Error) => end(reason instanceof DeadlineExceeded ? late() : reason) }
    this.#calls.push(wait)
    return end
  }

  /** Aborts all calls. Only the first reason counts. */
  abort(reason: Error): void {
    if (this.abortReason !== undefined) return
    this.abortReason = reason
    const calls = this.#calls
    this.#calls = []
    for (const call of calls) call.abort(reason)
  }

  #startTimer(): void {
    this.#timers?.add(this, this.startedAt)
  }

  stopTimer(): void {
    this.#timers?.remove(this)
  }

  expire(): void {
    respondAtDeadline(this, this.#calls.length > 0, this.#timers?.ms ?? IDLE_TIMEOUT)
  }

  /** True as soon as the socket is closed, which is before `close` is emitted. */
  get isClientGone(): boolean {
    const { raw } = this.reply.request
    return this.abortReason instanceof ClientClosedRequest || raw.aborted || raw.socket?.destroyed === true
  }
}

/** Share of the client's deadline after which a service that knows it may give up, since its clock differs. */
const SHORTENED = 0.9
/** Default idle timeout in milliseconds. */
export const IDLE_TIMEOUT = 300_000

/**
 * `allowed` and `rejected`: by the counters. While Redis or the supervisor is unavailable: `local`, allowed by this
 * process's own counters; `open`, allowed uncounted; `closed`, rejected. `unavailable`: the deadline passed first.
 */
export type LimitDecision = 'allowed' | 'rejected' | 'local' | 'open' | 'closed' | 'unavailable'
