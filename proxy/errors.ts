import { type Failure, toDetail } from '../http/cause.ts'
import { STATUS_CODES } from '../http/node-internals.ts'
import { createProblem, type ProblemError } from '../http/problem.ts'
import type { Headers } from './call-types.ts'

/** Error with which a call ends: of this file, or the reason for which its exchange was aborted. */
export type UpstreamError = Error & Partial<ProblemError>

/** The service could not be reached, broke the connection, or sent something that is not HTTP. The cause is logged only. */
export const UpstreamFailed = createProblem('SLUICE_UPSTREAM_FAILED', 'The service failed to respond', 502)

/** The response is not what it must be: not JSON, of another shape, too large. */
export const UpstreamInvalidResponse = createProblem(
  'SLUICE_UPSTREAM_INVALID_RESPONSE',
  'The service sent an invalid response',
  502
)

export const UpstreamTimeout = createProblem(
  'SLUICE_UPSTREAM_TIMEOUT',
  'The service took too long to respond',
  504
)

/** The client sent something that cannot be put into a request to the service. */
const Unforwardable = createProblem('SLUICE_UNFORWARDABLE', 'The request cannot be forwarded', 400)

const UpstreamUnavailable = createProblem(
  'SLUICE_UPSTREAM_UNAVAILABLE',
  'Service temporarily unavailable',
  503
)
const UpstreamOverloaded = createProblem('SLUICE_UPSTREAM_OVERLOADED', 'Service overloaded', 503)

/** Returns the error for calls that an open breaker rejects. `retryAfter`: seconds. */
export function createUnavailable(retryAfter: number, failure?: Failure): ProblemError {
  const error: ProblemError = new UpstreamUnavailable(retryIn(retryAfter))
  if (failure !== undefined) error.failure = failure
  return error
}

/** Returns the error for calls that find the upstream's bulkhead and its queue full. */
export function createOverloaded(upstream: string): ProblemError {
  const error: ProblemError = new UpstreamOverloaded(retryIn(1))
  error.failure = { cause: 'bulkhead-full', upstream }
  return error
}

function retryIn(seconds: number) {
  return { members: { retryAfter: seconds }, headers: { 'retry-after': String(seconds) } }
}

/** Converts an error of undici. Errors of Sluice, such as a deadline, stay as they are. */
export function toUpstreamError(error: Error & { code?: string }): Error {
  if (error.code?.startsWith('SLUICE_')) return error
  switch (error.code) {
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return new UpstreamTimeout({ cause: error })
    case 'UND_ERR_INVALID_ARG':
    case 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH':
    case 'UND_ERR_NOT_SUPPORTED':
      return new Unforwardable({ cause: error })
    default:
      return new UpstreamFailed({ cause: error })
  }
}

/**
 * True if an HTTP/2 service does not speak HTTP/1.1, over which a WebSocket handshake is sent: it sends frames, closes the
 * connection without a response, or rejects the protocol in TLS (ALPN).
 */
export function speaksNoHttp1(error: Error | undefined): boolean {
  if (error instanceof UpstreamInvalidResponse) return true
  const { code } = (error?.cause ?? {}) as NodeJS.ErrnoException
  return NO_HTTP1.has(String(code))
}

const NO_HTTP1 = new Set(['ECONNABORTED', 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL', 'UND_ERR_SOCKET'])

/** Ends calls in flight. Has the code of a reset, so that calls are retried as after one. */
export class EndpointEjected extends Error {
  readonly code = 'ECONNRESET'

  constructor() {
    super('an operator ejected the endpoint')
  }
}

/** True if an operator ended the attempt: nothing was learned about the service. */
export function isOrdered(error: Error | undefined): boolean {
  return error?.cause instanceof EndpointEjected
}

/** True if this process or machine has no descriptor, memory or port left: nothing was learned about the service. */
export function isLocalResourceExhaustion(error: Error): boolean {
  return LOCAL_EXHAUSTION.has(String((error.cause as { code?: unknown } | undefined)?.code))
}

const LOCAL_EXHAUSTION = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL'])

/**
 * Returns an error with the status of a service's response: passed to the client without the body, which is for the
 * service to word, but with `Retry-After` and, for a 401, its challenge (RFC 9110, 15.5.2).
 */
export function createStatusError(statusCode: number, headers: Headers): ProblemError {
  if (statusCode < 400) return invalidStatus(statusCode)
  const { 'retry-after': retryAfter, 'www-authenticate': challenge } = headers
  const error = new UpstreamStatus({
    headers: {
      ...(typeof retryAfter === 'string' && { 'retry-after': retryAfter }),
      ...(statusCode === 401 &&
        challenge !== undefined && { 'www-authenticate': [challenge].flat().join(', ') })
    }
  })
  error.statusCode = statusCode
  error.message = STATUS_CODES[statusCode] ?? 'Error'
  return error
}

const UpstreamStatus = createProblem('SLUICE_UPSTREAM_STATUS', 'Error', 500, { type: 'about:blank' })

/**
 * Replaces a 401 or 407 that a service answered to a request of the gateway's own by 502: it asks the gateway for
 * credentials, not the client. With `passUnauthorized`, a 401 with a challenge is passed on.
 */
export function replaceUnauthorized(error: ProblemError, passUnauthorized = false): ProblemError {
  const { statusCode, headers } = error
  if (!(error instanceof UpstreamStatus) || (statusCode !== 401 && statusCode !== 407)) return error
  if (statusCode === 401 && passUnauthorized && headers?.['www-authenticate'] !== undefined) return error
  return invalidStatus(statusCode)
}

function invalidStatus(statusCode: number): ProblemError {
  return createInvalidResponse(`the service answered ${statusCode}`)
}

/** Returns the error for a response beyond `limit` bytes. */
export function createTooLarge(limit: number, cause?: unknown): ProblemError {
  const detail = `the response is larger than ${limit} bytes`
  const error: ProblemError = new UpstreamInvalidResponse({ cause: cause ?? new Error(detail) })
  error.failure = { cause: 'response-too-large', detail }
  return error
}

/** @param detail what is wrong with the response, for the operator */
export function createInvalidResponse(detail: string, cause: unknown = new Error(detail)): ProblemError {
  const error: ProblemError = new UpstreamInvalidResponse({ cause })
  error.failure = { cause: 'invalid-response', detail: toDetail(detail) }
  return error
}
