import type { Dispatcher } from 'undici'
import type { Failure } from '../http/cause.ts'
import type { Outcome } from './breaker-types.ts'
import type { Headers, ResponseSource, UpstreamResponse } from './call-types.ts'
import type { UpstreamAttempt } from './upstream-attempt.ts'

/** The call that an attempt belongs to. */
export interface AttemptOwner extends ResponseSource {
  /** Called with the response's headers. Returns true if it retries: the attempt then ends without another callback. */
  onHeaders(statusCode: number, headers: Headers): boolean
  /**
   * Called exactly once, unless `onHeaders` returned true, with the outcome for breaker and endpoint.
   * @param failure of a complete response too, if its status is 400 or more
   */
  onSettled(outcome: Outcome, failure?: Failure, error?: Error): void
  onResponse(response: UpstreamResponse): void
}

export interface AttemptOptions {
  isHead: boolean
  /** Bytes up to which a response of known length is buffered; with `buffersAll`, beyond which the attempt fails. */
  bufferLimit: number
  /** Buffers every response. */
  buffersAll: boolean
  /** By `performance.now()`. */
  startedAt: number
  /** Reason for a delay of the request: the rest of the client's body, or a connection in use by other calls. */
  waitsFor: 'body' | 'connection' | undefined
  /** Undefined if nobody listens. */
  observed: UpstreamAttempt | undefined
}

export interface Http2Controller extends Dispatcher.DispatchController {
  /** True if a response over HTTP/2 ended with its headers. */
  isHeadersOnly?: boolean
}
