import type { LimitDecision } from '../../http/exchange.ts'
import type { Outcome } from '../outcome.ts'
import type { Kept } from './bodies.ts'

/**
 * An exchange is kept as a row of numbers, a row of names that the gateway has anyway, and bytes: what came and went as
 * text, then the bodies. These are the places in a row of numbers, which are as `Ended` has them.
 */
export const NUMBER = 0
export const ENDED_AT = 1
export const MAJOR = 2
export const MINOR = 3
export const IS_SECURE = 4
export const BYTES_IN = 5
export const BYTES_OUT = 6
export const ELAPSED = 7
export const ADMIT = 8
export const WAIT = 9
export const SEND = 10
/** Where its bytes begin, and where each part ends; of bodies also how many bytes there were, -1 for none. */
export const START = 11
export const LEAD = 12
export const HEADERS = 13
export const HEAD = 14
export const RECEIVED = 15
export const SENT = 16
export const RECEIVED_SIZE = 17
export const SENT_SIZE = 18
export const IS_FAILED = 19
export const NUMBERS = 20

export type Names = [outcome: Outcome, consumer: string | undefined, cut: string | undefined]
export const NAMES = 3

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

/** An exchange as it is read, which is for now: the memory that it is read from is used again. */
export class Recorded {
  /** Counts from 1. */
  readonly number: number
  /** Epoch milliseconds of the end. */
  readonly endedAt: number
  readonly httpVersion: string
  readonly isSecure: boolean
  readonly method: string
  readonly route: string | undefined
  readonly scope: string | undefined
  readonly version: string | undefined
  /** 0 if no answer was begun. */
  readonly status: number
  readonly isFailed: boolean
  /** Why it was cut short. */
  readonly cut: string | undefined
  readonly consumer: string | undefined
  readonly tier: string | undefined
  readonly limit: LimitDecision | undefined
  readonly upstream: string | undefined
  readonly endpoint: string | undefined
  readonly attempts: number
  readonly cache: string | undefined
  readonly bytesIn: number | undefined
  readonly bytesOut: number | undefined
  /** Milliseconds. */
  readonly ms: number
  readonly admit: number | undefined
  readonly wait: number | undefined
  readonly send: number | undefined
  #row: Float64Array
  #bytes: Buffer

  constructor(row: Float64Array, names: Names, bytes: Buffer) {
    this.#row = row
    this.#bytes = bytes
    this.number = this.#number(NUMBER)
    this.endedAt = this.#number(ENDED_AT)
    this.httpVersion = `${this.#number(MAJOR)}.${this.#number(MINOR)}`
    this.isSecure = this.#number(IS_SECURE) === 1
    this.isFailed = this.#number(IS_FAILED) === 1
    this.bytesIn = this.#counted(BYTES_IN)
    this.bytesOut = this.#counted(BYTES_OUT)
    this.ms = this.#number(ELAPSED) / 1_000
    this.admit = this.#stage(ADMIT)
    this.wait = this.#stage(WAIT)
    this.send = this.#stage(SEND)
    const [outcome, consumer, cut] = names
    const { config } = outcome
    this.status = this.#number(HEAD) > this.#number(HEADERS) ? outcome.status : 0
    this.attempts = outcome.attempts
    this.method = outcome.method
    this.route = outcome.route
    this.scope = config.scope
    this.version = config.version
    this.cut = cut
    this.consumer = consumer
    this.tier = outcome.tier
    this.limit = outcome.decision
    this.upstream = outcome.upstream
    this.endpoint = outcome.endpoint
    this.cache = outcome.cache
  }

  heads(): Heads {
    const [requestId = '', traceparent = '', url = '', remote] = this.#lines(START, LEAD)
    return {
      requestId,
      traceparent,
      url,
      remote: remote || undefined,
      requestHeaders: this.#lines(LEAD, HEADERS),
      responseHead: this.#text(HEADERS, HEAD)
    }
  }

  get requestBody(): Kept | undefined {
    return this.#body(HEAD, RECEIVED, RECEIVED_SIZE)
  }

  get responseBody(): Kept | undefined {
    return this.#body(RECEIVED, SENT, SENT_SIZE)
  }

  #body(before: number, end: number, of: number): Kept | undefined {
    const size = this.#number(of)
    if (size <= 0) return undefined
    const content = this.#part(before, end)
    return { content, size, isCut: content.length < size }
  }

  /** Each of them has a line break at its end. */
  #lines(before: number, end: number): string[] {
    return this.#text(before, end).split('\n').slice(0, -1)
  }

  #text(before: number, end: number): string {
    return this.#part(before, end).toString('latin1')
  }

  /** What ends at one place, and begins at the end of another. */
  #part(before: number, end: number): Buffer {
    return this.#bytes.subarray(this.#number(before), this.#number(end))
  }

  #counted(place: number): number | undefined {
    const count = this.#number(place)
    return count < 0 ? undefined : count
  }

  #stage(place: number): number | undefined {
    const us = this.#counted(place)
    return us === undefined ? undefined : us / 1_000
  }

  #number(place: number): number {
    return this.#row[place] as number
  }
}
