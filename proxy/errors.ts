import createError from '@fastify/error'
import { STATUS_CODES } from '../http/node-internals.ts'
import type { ProblemError } from '../http/problem.ts'
import type { Headers } from './attempt.ts'

/** The service could not be reached, broke the connection, or answered what is not HTTP. The cause is for the log. */
export const UpstreamFailed = createError(
  'SLUICE_UPSTREAM_FAILED',
  'The service failed to answer',
  502,
  Error,
  false
)
/** The service answered, but not what it must: no JSON, another shape, too much of it. */
export const UpstreamNonsense = createError(
  'SLUICE_UPSTREAM_NONSENSE',
  'The service gave an unusable answer',
  502,
  Error,
  false
)
export const UpstreamTimeout = createError(
  'SLUICE_UPSTREAM_TIMEOUT',
  'The service took too long to answer',
  504,
  Error,
  false
)
/** What the client sent cannot be put into a request to the service. */
export const Unforwardable = createError(
  'SLUICE_UNFORWARDABLE',
  'The request cannot be forwarded',
  400,
  Error,
  false
)
export const UnsafePath = createError('SLUICE_UNSAFE_PATH', 'The path is ambiguous', 400, Error, false)

const Unavailable = createError(
  'SLUICE_UPSTREAM_UNAVAILABLE',
  'Service temporarily unavailable',
  503,
  Error,
  false
)

const Overloaded = createError('SLUICE_UPSTREAM_OVERLOADED', 'Service overloaded', 503, Error, false)

/** An open breaker's refusal. Seconds. */
export function unavailable(retryAfter: number): ProblemError {
  return later(new Unavailable(), 'urn:sluice:upstream-unavailable', retryAfter)
}

/** As many calls are under way and wait as may. */
export function overloaded(): ProblemError {
  return later(new Overloaded(), 'urn:sluice:upstream-overloaded', 1)
}

function later(error: ProblemError, type: string, retryAfter: number): ProblemError {
  error.problem = { type, retryAfter }
  error.headers = { 'retry-after': String(retryAfter) }
  return error
}

/** undici's errors as ours. What is already ours (a deadline, a client that left) stays as it is. */
export function upstreamError(error: Error & { code?: string }): Error {
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
 * True if a service of HTTP/2 does not take HTTP/1.1, which a WebSocket's handshake is sent over: it sends frames, closes the
 * connection without a response, or refuses the protocol in TLS (ALPN).
 */
export function speaksNoHttp1(error: Error | undefined): boolean {
  if (error instanceof UpstreamNonsense) return true
  const { code } = (error?.cause ?? {}) as NodeJS.ErrnoException
  return NO_HTTP1.has(String(code))
}

const NO_HTTP1 = new Set(['ECONNABORTED', 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL', 'UND_ERR_SOCKET'])

/** This process, or its machine, has nothing left to make a connection with: nothing was learned of the service. */
export function isOwnWant(error: Error): boolean {
  return WANTS.has(String((error.cause as { code?: unknown } | undefined)?.code))
}

const WANTS = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL'])

const Answered = createError('SLUICE_UPSTREAM_STATUS', '%s', 500, Error, false)

/** An upstream's status as the exchange's own: passed on, with nothing of the body, which is the service's to word. */
export function upstreamStatus(statusCode: number, headers: Headers): ProblemError {
  if (statusCode < 400) return new UpstreamNonsense({ cause: new Error(`it answered ${statusCode}`) })
  const error: ProblemError = new Answered(STATUS_CODES[statusCode] ?? 'Error')
  error.statusCode = statusCode
  error.problem = { type: 'about:blank' }
  const { 'retry-after': retryAfter, 'www-authenticate': challenge } = headers
  error.headers = {
    ...(typeof retryAfter === 'string' && { 'retry-after': retryAfter }),
    // RFC 9110, section 15.5.2: a 401 without it tells the client nothing.
    ...(statusCode === 401 &&
      challenge !== undefined && { 'www-authenticate': [challenge].flat().join(', ') })
  }
  return error
}

/**
 * Returns the error for a status that a service answered to a request of the gateway's own. 401 and 407 then ask the
 * gateway for credentials, not the client: 502. With `passUnauthorized` a 401 is passed on if it has a challenge.
 */
export function refusalOf(error: ProblemError, passUnauthorized = false): Error {
  const { code, statusCode, headers } = error
  if (code !== 'SLUICE_UPSTREAM_STATUS' || (statusCode !== 401 && statusCode !== 407)) return error
  if (statusCode === 401 && passUnauthorized && headers?.['www-authenticate'] !== undefined) return error
  return new UpstreamNonsense({ cause: new Error(`it answered ${statusCode}`) })
}
