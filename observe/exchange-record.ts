import type { ServerResponse } from 'node:http'
import { consumerOf } from '../auth/consumer.ts'
import type { Exchange } from '../http/exchange.ts'
import type { ProblemError } from '../http/problem.ts'
import { type Outcome, outcomeOf } from './outcome.ts'
import type { SendingResponse } from './recorder/response.ts'

/**
 * What an exchange leaves when it has ended, for whoever writes it down: the log, the recorder. They do so at the end
 * of the turn, and of the exchange itself nothing is kept until then.
 */
export class Ended {
  /** Epoch milliseconds. */
  readonly time: number
  readonly id: string
  readonly traceparent: string
  readonly outcome: Outcome
  readonly isFailed: boolean
  /** Why it was cut short: an error's code. */
  readonly cut: string | undefined
  readonly consumer: string | undefined
  /** Bytes on the connection, -1 if there is no telling. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Microseconds, -1 for a stage that it has not come to. */
  readonly elapsed: number
  readonly admit: number = -1
  readonly wait: number = -1
  readonly send: number = -1

  readonly url: string
  readonly major: number
  readonly minor: number
  readonly isSecure: boolean
  readonly remote: string
  /** Names and values in turn. */
  readonly rawHeaders: string[]
  /** As it was sent, or as it would have been in HTTP/1.1. Empty if no answer was begun. */
  readonly head: string
  /** What the recorder has seen of its bodies, until it has kept what it keeps. */
  received: unknown
  sent: unknown

  constructor(exchange: Exchange) {
    const { reply, socket, startedAt, calledAt, answeredAt, endedAt } = exchange
    // Each context has a class of requests and one of replies, so what is read of them is looked up: as little as will do.
    const { request, raw: response } = reply
    const { raw, id } = request
    exchange.countBytes(raw)
    this.time = toEpoch(endedAt)
    this.id = id
    this.traceparent = exchange.traceparent
    this.outcome = outcomeOf(exchange, raw.method as string, response.statusCode)
    this.isFailed = exchange.isFailed
    this.cut = exchange.isWhole
      ? undefined
      : ((exchange.reason as ProblemError | undefined)?.code ?? 'unknown')
    this.consumer = consumerOf(request)
    this.bytesIn = exchange.bytesIn ?? -1
    this.bytesOut = exchange.bytesOut ?? -1
    this.elapsed = toMicroseconds(endedAt - startedAt)
    if (calledAt > 0) {
      this.admit = toMicroseconds(calledAt - startedAt)
      this.wait = toMicroseconds((answeredAt || endedAt) - calledAt)
      if (answeredAt > 0) this.send = toMicroseconds(endedAt - answeredAt)
    }
    this.url = raw.url as string
    this.major = raw.httpVersionMajor
    this.minor = raw.httpVersionMinor
    // HTTP/2 is over TLS only, and its sockets do not say.
    this.isSecure = raw.httpVersionMajor > 1 || (socket as { encrypted?: boolean }).encrypted === true
    this.remote = socket.remoteAddress ?? ''
    this.rawHeaders = raw.rawHeaders
    this.head = headOf(response)
    this.received = exchange.received
    const { sent } = response as Partial<SendingResponse>
    this.sent = this.head === '' || isBodiless(this.outcome) ? undefined : sent
  }
}

/** What it may have been given is not sent (RFC 9110, 6.4.1). */
function isBodiless({ method, status }: Outcome): boolean {
  return method === 'HEAD' || status === 204 || status === 304
}

/** Between the clock that measures and the one that dates: asked for again by the second, since the latter is set at times. */
let offset = 0
let askedAt = Number.NEGATIVE_INFINITY

/** Of a time by `performance.now()` just now. To ask the system for the date takes longer. */
function toEpoch(now: number): number {
  if (now - askedAt >= 1_000) {
    askedAt = now
    offset = Date.now() - performance.now()
  }
  return Math.floor(now + offset)
}

function toMicroseconds(ms: number): number {
  return Math.round(ms * 1_000)
}

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
