import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import createError from '@fastify/error'
import type { FastifyContextConfig, FastifyReply } from 'fastify'
import { Ended } from '../observe/exchange-record.ts'
import type { SendingResponse } from '../observe/recorder/response.ts'
import { toHttpStatus } from '../proxy/grpc-status.ts'
import { type Deadlines, Due } from './timer-queue.ts'
import { passedTraceparent } from './trace-context.ts'

export type ExchangeListener = (exchange: Exchange) => void

/** What an exchange can cancel. */
export interface Abortable {
  abort(reason: Error): void
}

export const DeadlineExceeded = createError(
  'SLUICE_DEADLINE_EXCEEDED',
  'The service took too long to answer',
  504,
  Error,
  false
)
const RequestLate = createError(
  'SLUICE_REQUEST_LATE',
  'The request took too long to arrive',
  408,
  Error,
  false
)
export const IdleTimeout = createError(
  'SLUICE_IDLE_TIMEOUT',
  'Nothing was sent for too long',
  504,
  Error,
  false
)
/** Nobody's fault. */
export const Stopping = createError('SLUICE_STOPPING', 'The gateway stops', 503, Error, false)
/** Never sent: there is nobody left to read it. */
export const ClientGone = createError('SLUICE_CLIENT_GONE', 'The client has gone', 499, Error, false)

export class Exchange extends Due {
  /** The route's pattern, for logs and labels: bounded, where paths are not. Undefined if no route was found. */
  readonly route: string | undefined
  readonly reply: FastifyReply
  /** Of its route: scope, version. */
  readonly config: FastifyContextConfig
  /** Why this exchange ended before its answer did. */
  reason: Error | undefined = undefined
  /** True if it ended at a deadline that the client chose, so that nobody else is to blame. */
  isDeadlineOfClient = false
  /** Requests that were sent to upstreams for it, retries included. */
  attempts = 0
  /** The upstream that was called, or several, by commas; the endpoint that was called last. */
  upstream: string | undefined = undefined
  endpoint: string | undefined = undefined
  /** What the last limit that it met decided, and whose it was. */
  decision: LimitDecision | undefined = undefined
  tier: string | undefined = undefined
  cache: string | undefined = undefined
  /** What it comes to is not in its HTTP status, but in `grpcStatus`, once that is known. */
  isGrpc = false
  grpcStatus: number | undefined = undefined
  /** What the recorder has seen of its request's body. */
  received: unknown = undefined
  /**
   * By `performance.now()`; 0 while it has not come to that: the head of the request, the first call of an upstream, the
   * head of the last answer, the end.
   */
  readonly startedAt = performance.now()
  calledAt = 0
  answeredAt = 0
  endedAt = 0
  /** Node takes it off the request before the end. */
  readonly socket: Socket
  /** Bytes on the connection, heads included. Undefined until `countBytes`. */
  bytesIn: number | undefined = undefined
  bytesOut: number | undefined = undefined
  #traceparent: string | undefined
  #ended: Ended | undefined
  /** Makes a new trace. */
  readonly begin: () => string
  #calls: Abortable[] = []
  #clientDueAt = Number.POSITIVE_INFINITY
  /** Undefined if it may take as long as it likes. */
  #deadlines: Deadlines | undefined

  constructor(
    route: string | undefined,
    config: FastifyContextConfig,
    deadlines: Deadlines | undefined,
    reply: FastifyReply,
    begin: () => string,
    listeners?: ExchangeListener[]
  ) {
    super()
    this.route = route
    this.config = config
    this.reply = reply
    this.socket = reply.request.raw.socket
    this.begin = begin
    this.#deadlines = deadlines
    if (listeners === undefined) return
    // From the start, since the deadline covers hooks and handlers too.
    this.#time()
    if ('sent' in reply.raw) (reply.raw as Partial<SendingResponse>).exchange = this
    reply.raw.on('close', () => {
      this.endedAt = performance.now()
      this.end()
      if (!this.isWhole) this.abort(new ClientGone())
      for (const listener of listeners) listener(this)
    })
  }

  /** Milliseconds since the head of the request. */
  get elapsed(): number {
    return (this.endedAt || performance.now()) - this.startedAt
  }

  /** As services get it: the client's, or one that begins here. */
  get traceparent(): string {
    this.#traceparent ??= passedTraceparent(this.reply.request.headers.traceparent) ?? this.begin()
    return this.#traceparent
  }

  /** Once it is over: what it leaves. */
  get ended(): Ended {
    this.#ended ??= new Ended(this)
    return this.#ended
  }

  get traceId(): string {
    return this.traceparent.slice(3, 35)
  }

  /** Of HTTP, or what a gRPC status would be there. */
  get status(): number {
    return this.grpcStatus === undefined ? this.reply.statusCode : toHttpStatus(this.grpcStatus)
  }

  /** True for what an operator is to see: it ended badly, or not at all. */
  get isFailed(): boolean {
    return this.status >= 500 || !this.isWhole
  }

  /** An upstream is called. Several, as by a composition, are named once each. */
  called(upstream: string): void {
    if (this.upstream === undefined) this.upstream = upstream
    else if (this.upstream !== upstream && !this.upstream.split(',').includes(upstream))
      this.upstream += `,${upstream}`
  }

  /** At the end: what the connection has carried since the last exchange on it. In HTTP/2 there is no telling. */
  countBytes(raw: IncomingMessage): void {
    const socket = this.socket as Counted
    if (this.bytesIn !== undefined || raw.httpVersionMajor > 1) return
    const { bytesRead, bytesWritten } = socket
    this.bytesIn = bytesRead - (socket[readBefore] ?? 0)
    this.bytesOut = bytesWritten - (socket[writtenBefore] ?? 0)
    socket[readBefore] = bytesRead
    socket[writtenBefore] = bytesWritten
  }

  /** Milliseconds until the deadline. */
  get remaining(): number {
    return (this.#deadlines?.ms ?? Number.POSITIVE_INFINITY) - this.elapsed
  }

  /** True once the answer has been handed to the system to the last byte. */
  get isWhole(): boolean {
    // Node 22 also finishes a response that was sent after its client had gone.
    return this.reply.raw.writableFinished && !(this.reason instanceof ClientGone)
  }

  /** Sets a deadline that the client chose: the one that passes first stands. Milliseconds from now. */
  limit(milliseconds: number): void {
    this.#clientDueAt = Math.min(this.#clientDueAt, performance.now() + milliseconds * SHORTENED)
    const timer = setTimeout(() => {
      this.isDeadlineOfClient = true
      this.expire()
    }, milliseconds)
    this.reply.raw.on('close', () => clearTimeout(timer))
  }

  /** True once the client's own deadline has passed, or is about to for a service that is told of it. */
  get isPastClientDeadline(): boolean {
    return performance.now() >= this.#clientDueAt
  }

  /** Has `call` aborted with the exchange. Returns the time. */
  attach(call: Abortable): number {
    const now = performance.now()
    if (this.calledAt === 0) this.calledAt = now
    if (this.dueAt === 0 && this.endedAt === 0) this.#time()
    this.#calls.push(call)
    return now
  }

  /**
   * Waits for something other than a service, such as an issuer's keys. Returns what ends the wait: `done` is called once,
   * with that error, with `late()` if the deadline passes first, or with the reason if the exchange ends otherwise.
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

  #time(): void {
    this.#deadlines?.add(this, this.startedAt)
  }

  detach(call: Abortable): void {
    const calls = this.#calls
    const index = calls.indexOf(call)
    if (index === calls.length - 1) calls.pop()
    else if (index !== -1) calls.splice(index, 1)
  }

  /** Aborts every call under way and every later one. The first reason stands. */
  abort(reason: Error): void {
    if (this.reason !== undefined) return
    this.reason = reason
    const calls = this.#calls
    this.#calls = []
    for (const call of calls) call.abort(reason)
  }

  /** Nothing is due any more. */
  end(): void {
    this.#deadlines?.remove(this)
  }

  /**
   * Answers for what the exchange waits for: 408 for the rest of the client's body, 504 for a hook or a handler. Calls and
   * other waits answer for themselves once they are aborted; a response that the client does not read is cut.
   */
  expire(): void {
    const { reply } = this
    const isLate = isBodyLate(reply.request.raw)
    const isGiven = reply.raw.writableEnded
    const isWaiting = this.#calls.length > 0
    const reason = isLate ? new RequestLate() : new DeadlineExceeded()
    this.abort(reason)
    if (isGiven) return void reply.raw.destroy(reason)
    // A route's own stream may go on for as long as the client reads it.
    if (reply.raw.headersSent && !isWaiting)
      reply.raw.setTimeout(this.#deadlines?.ms ?? IDLE_TIMEOUT, () => reply.raw.destroy(reason))
    if (reply.sent || reply.raw.headersSent || (isWaiting && !isLate)) return
    if (isLate) reply.header('connection', 'close')
    reply.send(reason)
  }

  /** True as soon as the socket knows, which is before `close` is emitted. */
  get clientGone(): boolean {
    const { raw } = this.reply.request
    return this.reason instanceof ClientGone || raw.aborted || raw.socket?.destroyed === true
  }
}

/** Share of the client's deadline after which a service that knows it may give up, since its clock differs. */
const SHORTENED = 0.9

/**
 * `allowed` and `refused`: decided by the counters. While Redis or the supervisor is unavailable: `local`, let through
 * by this process's own count; `open`, let through uncounted; `closed`, refused. `unavailable`: the deadline passed
 * first.
 */
export type LimitDecision = 'allowed' | 'refused' | 'local' | 'open' | 'closed' | 'unavailable'

const readBefore = Symbol('sluice.readBefore')
const writtenBefore = Symbol('sluice.writtenBefore')
interface Counted {
  bytesRead: number
  bytesWritten: number
  [readBefore]?: number
  [writtenBefore]?: number
}

/** An exchange with nobody at its end: under its own deadline, on behalf of one that may be over long before. */
export class DetachedExchange extends Exchange {
  constructor({ route, config, reply, begin, isGrpc }: Exchange, deadlines: Deadlines) {
    super(route, config, deadlines, reply, begin)
    this.isGrpc = isGrpc
  }

  override expire(): void {
    this.abort(new DeadlineExceeded())
  }

  override get clientGone(): boolean {
    return false
  }
}

/** By its head: what it says is to come (RFC 9112, 6.3). */
export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length']
  return headers['transfer-encoding'] !== undefined || (length !== undefined && Number(length) > 0)
}

/** True while the client has not sent what it said it would, and all that it has sent has been read. */
export function isBodyLate(raw: IncomingMessage): boolean {
  return hasBody(raw) && !raw.complete && raw.readableLength === 0
}

/** Milliseconds. */
export const IDLE_TIMEOUT = 300_000
