import type { Duplex, Readable } from 'node:stream'
import type { Exchange } from '../http/exchange.ts'
import type { ProblemError } from '../http/problem.ts'

export type Headers = Record<string, string | string[] | undefined>

export interface UpstreamRequest {
  exchange: Exchange
  method: string
  /** Path and query as they are sent. */
  path: string
  headers: Headers
  body?: string | Buffer | Readable | null
  /** Buffers the response whatever its size. Beyond the upstream's `maxBody` the call fails with 502. */
  buffer?: boolean
  /** Protocol to change to. If the service agrees, the response has a `socket`. */
  upgrade?: string
  /** Name of the part of a composition, for listeners of attempts. */
  part?: string
}

export interface UpstreamResponse {
  statusCode: number
  headers: Headers
  /** Buffer of a small or buffered response, undefined if there can be none, else a stream. */
  body: Buffer | Readable | string | undefined
  /** True for the upstream's fallback, which must not be cached as a response of the service. */
  isFallback?: boolean
  /** Connection on which the service has changed the protocol (101). */
  socket?: Duplex
  /** Undefined for a fallback. */
  source?: ResponseSource
}

/** Where a response comes from. */
export interface ResponseSource {
  /** Notes that the response is the reason for `error`, with which its reader rejects it. */
  blame(error: ProblemError): void
}

export type UpstreamCallback = (error: Error | null, response?: UpstreamResponse) => void
