import type { ServerResponse } from 'node:http'
import type { Exchange, LimitDecision } from '../exchange.ts'
import type { ProblemError } from '../problem.ts'
import { type Kept, keep, sizeOf } from './body.ts'
import { Slab } from './slab.ts'

/** What came and went as text. */
export interface Heads {
  requestId: string
  traceparent: string
  url: string
  remote: string | undefined
  /** Names and values in turn. */
  requestHeaders: string[]
  /** As it was sent, or as it would have been in HTTP/1.1. Empty if no answer was begun. */
  responseHead: string
}

/**
 * An exchange as it is kept: numbers, names that the gateway has anyway, and bytes in a slab. Nothing is parsed, unpacked
 * or redacted before somebody reads it (see show.ts). Filled again for another exchange when its place in the ring comes
 * round; nothing that a request has brought with it is held on to.
 */
export class Recorded {
  /** Counts from 1; 0 while there is nothing here. */
  number = 0
  /** Epoch milliseconds of the end. */
  endedAt = 0
  method = ''
  isSecure = false
  route: string | undefined = undefined
  scope: string | undefined = undefined
  version: string | undefined = undefined
  status = 0
  isFailed = false
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
  /** Milliseconds; of a stage that it has not come to, NaN. */
  ms = 0
  admit = Number.NaN
  wait = Number.NaN
  send = Number.NaN
  #major = 1
  #minor = 1
  #slab = new Slab()
  /** Bytes, one behind the other: heads, request's body, answer's body; and how long the bodies are, -1 for none. */
  #heads = 0
  #received = 0
  #sent = 0
  #receivedSize = -1
  #sentSize = -1

  fill(number: number, exchange: Exchange, now: number, limit: number): this {
    const { reply, config, startedAt, calledAt, answeredAt, endedAt } = exchange
    const { request } = reply
    const { raw } = request
    exchange.countBytes()
    this.number = number
    this.endedAt = now
    this.method = raw.method as string
    this.#major = raw.httpVersionMajor
    this.#minor = raw.httpVersionMinor
    this.isSecure = (exchange.socket as { encrypted?: boolean }).encrypted === true
    this.route = exchange.route
    this.scope = config.scope
    this.version = config.version
    this.cut = exchange.isWhole
      ? undefined
      : ((exchange.reason as ProblemError | undefined)?.code ?? 'unknown')
    this.isFailed = exchange.isFailed
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
    this.admit = hasCalled ? calledAt - startedAt : Number.NaN
    this.wait = hasCalled ? (answeredAt || endedAt) - calledAt : Number.NaN
    this.send = answeredAt > 0 ? endedAt - answeredAt : Number.NaN

    const head = headOf(reply.raw)
    this.status = head === '' ? 0 : reply.statusCode
    const { rawHeaders } = raw
    // No part but the last can have a line break.
    const heads = `${request.id}\n${exchange.traceparent}\n${raw.url}\n${exchange.socket.remoteAddress ?? ''}\n${rawHeaders.length}\n${rawHeaders.join('\n')}\n${head}`
    const slab = this.#slab
    slab.reset()
    this.#heads = slab.octets(heads)
    this.#receivedSize = sizeOf(exchange.received)
    this.#received = keep(exchange.received, this.#receivedSize, limit, slab)
    this.#sentSize = this.status === 0 ? -1 : sizeOf(exchange.sent)
    this.#sent = keep(exchange.sent, this.#sentSize, limit, slab)
    return this
  }

  get httpVersion(): string {
    return `${this.#major}.${this.#minor}`
  }

  /** Bytes that are kept on its behalf, about. */
  get weight(): number {
    return OVERHEAD + this.#slab.capacity
  }

  heads(): Heads {
    const lines = this.#slab.read(0, this.#heads).toString('latin1').split('\n')
    const [requestId = '', traceparent = '', url = '', remote, count] = lines
    const end = 5 + Number(count)
    return {
      requestId,
      traceparent,
      url,
      remote: remote || undefined,
      requestHeaders: lines.slice(5, end),
      responseHead: lines.slice(Math.max(end, 6)).join('\n')
    }
  }

  get requestBody(): Kept | undefined {
    return this.#body(this.#heads, this.#received, this.#receivedSize)
  }

  get responseBody(): Kept | undefined {
    return this.#body(this.#heads + this.#received, this.#sent, this.#sentSize)
  }

  #body(start: number, kept: number, size: number): Kept | undefined {
    return size <= 0 ? undefined : { content: this.#slab.read(start, kept), size, isCut: kept < size }
  }

  /** Takes up no memory any more. */
  clear(): void {
    this.number = 0
    this.#heads = this.#received = this.#sent = 0
    this.#receivedSize = this.#sentSize = -1
    this.#slab.release()
  }
}

/** Bytes. */
const OVERHEAD = 512

/** Node's own text of the head, which there is once it has been written; HTTP/2 has no such thing. */
function headOf(raw: ServerResponse): string {
  const head = (raw as unknown as { _header?: string | null })._header
  if (typeof head === 'string') return head
  if (!raw.headersSent) return ''
  const lines = Object.entries(raw.getHeaders()).flatMap(([name, value]) =>
    name.startsWith(':') ? [] : [value].flat().map(one => `${name}: ${one}\r\n`)
  )
  return `HTTP/2 ${raw.statusCode}\r\n${lines.join('')}\r\n`
}
