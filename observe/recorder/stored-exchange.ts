import type { Cause } from '../../http/cause.ts'
import type { LimitDecision } from '../../http/exchange.ts'
import type { SharedFields } from '../exchange-record.ts'
import { readAttempts, type StoredAttempt } from './attempts.ts'
import type { StoredBody } from './bodies.ts'

/**
 * A store keeps an exchange as a row of numbers, a row of references to objects that live anyway, and bytes: headers and
 * other text, then the bodies. These are the columns of the numbers, in the units of `ExchangeRecord`.
 */
export const NUMBER = 0
export const ENDED_AT = 1
export const HTTP_MAJOR = 2
export const HTTP_MINOR = 3
export const IS_SECURE = 4
export const BYTES_RECEIVED = 5
export const BYTES_SENT = 6
export const DURATION = 7
export const QUEUE = 8
export const UPSTREAM = 9
export const SEND = 10
/** Offset of the first byte, and the end of each part. */
export const START = 11
export const LEAD_END = 12
export const REQUEST_HEADERS_END = 13
export const RESPONSE_HEAD_END = 14
export const REQUEST_BODY_END = 15
export const RESPONSE_BODY_END = 16
/** Bytes of the whole bodies, -1 without one. */
export const REQUEST_BODY_SIZE = 17
export const RESPONSE_BODY_SIZE = 18
export const IS_FAILED = 19
/** Ends of the attempts' JSON and of their bodies. */
export const ATTEMPTS_JSON_END = 20
export const ATTEMPTS_END = 21
export const NUMBERS = 22

export type References = [
  shared: SharedFields,
  consumer: string | undefined,
  abortReason: string | undefined,
  clientAddress: string | undefined,
  causeDetail: string | undefined
]
export const REFERENCES = 5

/** Text of an exchange. */
export interface StoredText {
  requestId: string
  traceparent: string
  url: string
  remoteAddress: string | undefined
  /** Names and values alternate. */
  requestHeaders: string[]
  /** Status line and headers. Empty if no response was started. */
  responseHead: string
}

/** A view of one exchange in a store. Valid until the store is written to again. */
export class StoredExchange {
  /** Sequence number, from 1. */
  readonly number: number
  /** Epoch milliseconds. */
  readonly endedAt: number
  readonly httpVersion: string
  readonly isSecure: boolean
  readonly method: string
  readonly route: string | undefined
  readonly scope: string | undefined
  readonly version: string | undefined
  /** 0 if no response was started. */
  readonly status: number
  readonly isFailed: boolean
  /** Code of the error that aborted the response. */
  readonly abortReason: string | undefined
  readonly cause: Cause | undefined
  readonly causeDetail: string | undefined
  readonly consumer: string | undefined
  readonly clientAddress: string | undefined
  readonly tier: string | undefined
  readonly limit: LimitDecision | undefined
  readonly upstream: string | undefined
  readonly endpoint: string | undefined
  readonly attempts: number
  readonly cache: string | undefined
  readonly bytesReceived: number | undefined
  readonly bytesSent: number | undefined
  readonly durationMs: number
  readonly queueMs: number | undefined
  readonly upstreamMs: number | undefined
  readonly sendMs: number | undefined
  #row: Float64Array
  #bytes: Buffer

  constructor(row: Float64Array, references: References, bytes: Buffer) {
    this.#row = row
    this.#bytes = bytes
    this.number = this.#number(NUMBER)
    this.endedAt = this.#number(ENDED_AT)
    this.httpVersion = `${this.#number(HTTP_MAJOR)}.${this.#number(HTTP_MINOR)}`
    this.isSecure = this.#number(IS_SECURE) === 1
    this.isFailed = this.#number(IS_FAILED) === 1
    this.bytesReceived = this.#count(BYTES_RECEIVED)
    this.bytesSent = this.#count(BYTES_SENT)
    this.durationMs = this.#number(DURATION) / 1_000
    this.queueMs = this.#milliseconds(QUEUE)
    this.upstreamMs = this.#milliseconds(UPSTREAM)
    this.sendMs = this.#milliseconds(SEND)
    const [shared, consumer, abortReason, clientAddress, causeDetail] = references
    const { config } = shared
    this.status = this.#number(RESPONSE_HEAD_END) > this.#number(REQUEST_HEADERS_END) ? shared.status : 0
    this.attempts = shared.attempts
    this.method = shared.method
    this.route = shared.route
    this.scope = config.scope
    this.version = config.version
    this.abortReason = abortReason
    this.cause = shared.cause
    this.causeDetail = causeDetail
    this.consumer = consumer
    this.clientAddress = clientAddress
    this.tier = shared.tier
    this.limit = shared.decision
    this.upstream = shared.upstream
    this.endpoint = shared.endpoint
    this.cache = shared.cache
  }

  text(): StoredText {
    const [requestId = '', traceparent = '', url = '', remoteAddress] = this.#lines(START, LEAD_END)
    return {
      requestId,
      traceparent,
      url,
      remoteAddress: remoteAddress || undefined,
      requestHeaders: this.#lines(LEAD_END, REQUEST_HEADERS_END),
      responseHead: this.#part(REQUEST_HEADERS_END, RESPONSE_HEAD_END).toString('latin1')
    }
  }

  get upstreamAttempts(): StoredAttempt[] {
    return readAttempts(
      this.#part(RESPONSE_BODY_END, ATTEMPTS_JSON_END),
      this.#part(ATTEMPTS_JSON_END, ATTEMPTS_END)
    )
  }

  get requestBody(): StoredBody | undefined {
    return this.#body(RESPONSE_HEAD_END, REQUEST_BODY_END, REQUEST_BODY_SIZE)
  }

  get responseBody(): StoredBody | undefined {
    return this.#body(REQUEST_BODY_END, RESPONSE_BODY_END, RESPONSE_BODY_SIZE)
  }

  #body(start: number, end: number, sizeColumn: number): StoredBody | undefined {
    const size = this.#number(sizeColumn)
    if (size <= 0) return undefined
    const content = this.#part(start, end)
    return { content, size, isTruncated: content.length < size }
  }

  /** Each line ends with a line break. */
  #lines(start: number, end: number): string[] {
    return this.#part(start, end).toString('latin1').split('\n').slice(0, -1)
  }

  /** Bytes between the offsets in two columns. */
  #part(start: number, end: number): Buffer {
    return this.#bytes.subarray(this.#number(start), this.#number(end))
  }

  #count(column: number): number | undefined {
    const count = this.#number(column)
    return count < 0 ? undefined : count
  }

  #milliseconds(column: number): number | undefined {
    const us = this.#count(column)
    return us === undefined ? undefined : us / 1_000
  }

  #number(column: number): number {
    return this.#row[column] as number
  }
}
