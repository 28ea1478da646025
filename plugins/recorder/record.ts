import type { OutgoingHttpHeaders } from 'node:http'
import type { Exchange, LimitDecision } from '../exchange.ts'
import type { ProblemError } from '../problem.ts'
import { type Kept, keep, NOTHING } from './body.ts'

/**
 * An exchange as it is kept: references to what there is already, and numbers. Nothing is parsed, joined or redacted
 * before somebody reads it (see show.ts). Filled again for another exchange when its place in the ring comes round.
 */
export class Recorded {
  /** Counts from 1; 0 while there is nothing here. */
  number = 0
  requestId = ''
  traceparent = ''
  /** Epoch milliseconds of the end. */
  endedAt = 0
  method = ''
  url = ''
  httpVersion = ''
  remote: string | undefined = undefined
  isSecure = false
  route: string | undefined = undefined
  scope: string | undefined = undefined
  version: string | undefined = undefined
  status = 0
  /** Why it was cut short. */
  cut: string | undefined = undefined
  consumer: string | undefined = undefined
  tier: string | undefined = undefined
  limit: LimitDecision | undefined = undefined
  upstream: string | undefined = undefined
  endpoint: string | undefined = undefined
  attempts = 0
  cache: string | undefined = undefined
  bytesIn: number | undefined = undefined
  bytesOut: number | undefined = undefined
  /** Milliseconds. */
  ms = 0
  admit: number | undefined = undefined
  wait: number | undefined = undefined
  send: number | undefined = undefined
  /** Names and values in turn. */
  requestHeaders: string[] = EMPTY
  requestBody: Kept = NOTHING
  /** As it was sent. HTTP/2 has no such thing. */
  responseHead: string | OutgoingHttpHeaders = ''
  responseBody: Kept = NOTHING
  /** Bytes that are kept on its behalf, about. */
  weight = 0

  fill(number: number, exchange: Exchange, now: number, limit: number): this {
    const { reply, config, startedAt, calledAt, answeredAt, endedAt } = exchange
    const { request } = reply
    const { raw } = request
    exchange.countBytes()
    this.number = number
    this.requestId = request.id
    this.traceparent = exchange.traceparent
    this.endedAt = now
    this.method = raw.method as string
    this.url = raw.url as string
    this.httpVersion = raw.httpVersion
    this.remote = exchange.socket.remoteAddress
    this.isSecure = (exchange.socket as { encrypted?: boolean }).encrypted === true
    this.route = exchange.route
    this.scope = config.scope
    this.version = config.version
    this.cut = exchange.isWhole
      ? undefined
      : ((exchange.reason as ProblemError | undefined)?.code ?? 'unknown')
    this.consumer = request.user?.sub
    this.tier = exchange.tier
    this.limit = exchange.decision
    this.upstream = exchange.upstream
    this.endpoint = exchange.endpoint
    this.attempts = exchange.attempts
    this.cache = exchange.cache
    this.bytesIn = exchange.bytesIn
    this.bytesOut = exchange.bytesOut
    this.ms = exchange.elapsed
    const hasCalled = calledAt > 0
    this.admit = hasCalled ? calledAt - startedAt : undefined
    this.wait = hasCalled ? (answeredAt || endedAt) - calledAt : undefined
    this.send = answeredAt > 0 ? endedAt - answeredAt : undefined
    this.requestHeaders = raw.rawHeaders
    this.requestBody = exchange.received === undefined ? NOTHING : keep(exchange.received, limit)
    // Node's own text of the head, which there is once it has been written.
    const head = (reply.raw as unknown as { _header?: string | null })._header
    this.responseHead = head ?? (reply.raw.headersSent ? reply.raw.getHeaders() : '')
    this.status = this.responseHead === '' ? 0 : reply.statusCode
    this.responseBody = this.status === 0 ? NOTHING : keep(exchange.sent, limit)
    this.weight =
      OVERHEAD +
      Math.min(exchange.bytesIn ?? MAX_HEAD, MAX_HEAD) +
      (head?.length ?? 0) +
      weightOf(this.requestBody) +
      weightOf(this.responseBody)
    return this
  }

  get isFailed(): boolean {
    return this.cut !== undefined || this.status >= 500
  }

  /** Holds on to nothing any more. */
  clear(): void {
    this.number = this.weight = 0
    this.url = this.responseHead = ''
    this.requestHeaders = EMPTY
    this.requestBody = this.responseBody = NOTHING
  }

  /** Another place for the same, so that it outlives the ring's. */
  copy(): Recorded {
    return Object.assign(new Recorded(), this)
  }
}

const EMPTY: string[] = []
/** Bytes. What a client may send as a head is node's to limit. */
const OVERHEAD = 512
const MAX_HEAD = 16_384

function weightOf({ content }: Kept): number {
  if (content === undefined) return 0
  if (typeof content === 'string') return content.length
  let weight = 0
  for (const part of content) weight += part.buffer.byteLength
  return weight
}
