import type { Cause, Failure } from '../http/cause.ts'
import { DetachedExchange } from '../http/detached-exchange.ts'
import type { Exchange } from '../http/exchange.ts'
import { failureOfStatus } from './attempt-cause.ts'
import type { Headers, UpstreamRequest } from './call-types.ts'

export type AttemptListener = (attempt: UpstreamAttempt) => void

/** Listeners for the start and the end of attempts, in the order in which they are called. */
export interface AttemptListeners {
  readonly start: AttemptListener[]
  readonly end: AttemptListener[]
}

/**
 * One request to an endpoint, as listeners see it: retries, parts of compositions, mirrored requests, WebSocket handshakes
 * and gRPC calls are attempts too. Times are by `performance.now()`, 0 until then.
 */
export class UpstreamAttempt {
  /** Exchange that the attempt belongs to. A mirrored request has its own; its `reply.request.exchange` is the client's. */
  readonly exchange: Exchange
  /** Name of the upstream: of a split, the side that was chosen. */
  readonly upstream: string
  /** URL of the endpoint. */
  readonly endpoint: string
  readonly method: string
  /** Path and query as they are sent. */
  readonly path: string
  /** 0 for the first attempt of a call, 1 for its first retry. */
  readonly retry: number
  /** Name of the part of a composition. */
  readonly part: string | undefined
  readonly isMirror: boolean
  readonly startedAt = performance.now()
  respondedAt = 0
  endedAt = 0
  /** HTTP status of the response. */
  status: number | undefined = undefined
  grpcStatus: number | undefined = undefined
  responseHeaders: Headers | undefined = undefined
  /** Why the attempt failed. Undefined for one that ended well. */
  cause: Cause | undefined = undefined
  causeDetail: string | undefined = undefined
  /** Called with each chunk of the request body that is sent. A start listener sets it. */
  onRequestData: ((chunk: Uint8Array) => void) | undefined = undefined
  /** Called with each chunk of the response body, also of a response that is retried. A start listener sets it. */
  onResponseData: ((chunk: Uint8Array) => void) | undefined = undefined
  #headers: Headers
  #hasOwnHeaders = false
  #listeners: AttemptListeners

  constructor(
    listeners: AttemptListeners,
    { exchange, method, headers, part }: UpstreamRequest,
    upstream: string,
    endpoint: string,
    path: string,
    retry: number
  ) {
    this.exchange = exchange
    this.upstream = upstream
    this.endpoint = endpoint
    this.method = method
    this.path = path
    this.#headers = headers
    this.retry = retry
    this.part = part
    this.isMirror = exchange instanceof DetachedExchange
    this.#listeners = listeners
    for (const listener of listeners.start) listener(this)
  }

  /** Headers as they are sent; undici adds `host`, `connection` and lengths. */
  get headers(): Readonly<Headers> {
    return this.#headers
  }

  /** Sets a header of this attempt only. For start listeners. `name` in lower case. */
  setHeader(name: string, value: string): void {
    // Attempts of a call share their headers until one changes them.
    if (!this.#hasOwnHeaders) this.#headers = { ...this.#headers }
    this.#hasOwnHeaders = true
    this.#headers[name] = value
  }

  onHeaders(status: number, headers: Headers): void {
    this.respondedAt = performance.now()
    this.status = status
    this.responseHeaders = headers
  }

  /** Ends the attempt: only the first call counts. `failure`: by default that of the status. */
  end(failure: Failure | undefined = failureOfStatus(this.status)): void {
    if (this.endedAt !== 0) return
    this.endedAt = performance.now()
    if (this.exchange.isGrpc) this.grpcStatus = this.exchange.grpcStatus
    this.cause = failure?.cause
    this.causeDetail = failure?.detail
    for (const listener of this.#listeners.end) listener(this)
  }
}

/** Starts an attempt for its listeners. Returns undefined if nobody listens. */
export function observeAttempt(
  { listeners, name = '' }: { name?: string; listeners?: AttemptListeners | undefined },
  request: UpstreamRequest,
  endpoint: string,
  path: string,
  retry: number
): UpstreamAttempt | undefined {
  if (listeners === undefined || (listeners.start.length === 0 && listeners.end.length === 0))
    return undefined
  return new UpstreamAttempt(listeners, request, name, endpoint, path, retry)
}
