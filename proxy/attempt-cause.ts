import { type Cause, type Failure, toDetail } from '../http/cause.ts'
import { failureOf } from '../http/failure.ts'
import type { ProblemError } from '../http/problem.ts'
import type { AttemptProgress } from './attempt-blame.ts'
import { isLocalResourceExhaustion, isOrdered } from './errors.ts'
import { isNotHttp } from './undici-internals.ts'

/** Causes by the codes of Node and undici, and of the HTTP/2 client. */
const BY_CODE: Record<string, Cause> = {
  ECONNREFUSED: 'connection-refused',
  // A Unix socket that does not exist.
  ENOENT: 'connection-refused',
  EACCES: 'unreachable',
  EHOSTDOWN: 'unreachable',
  EHOSTUNREACH: 'unreachable',
  ENETDOWN: 'unreachable',
  ENETUNREACH: 'unreachable',
  HTTP2_MALFORMED_RESPONSE: 'invalid-response',
  UND_ERR_BODY_TIMEOUT: 'idle-timeout',
  UND_ERR_CONNECT_TIMEOUT: 'connect-timeout',
  UND_ERR_HEADERS_OVERFLOW: 'response-too-large',
  UND_ERR_HEADERS_TIMEOUT: 'response-timeout'
}

/** OpenSSL's codes of certificates have no prefix (X509_STORE_CTX_get_error). */
const TLS_FAILURE =
  /^ERR_(?:SSL|TLS)_|CERT|^EPROTO$|^(?:HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED)$|^UNABLE_TO_/

/** Returns why an attempt failed, or undefined for one whose response nobody wants. */
export function failureOfAttempt(
  error: Error & Partial<ProblemError>,
  { exchange, wasSent, isQueued }: Pick<AttemptProgress, 'exchange' | 'wasSent' | 'isQueued'>
): Failure | undefined {
  const { code, cause } = error
  // Its own errors depend on where the disconnect is noticed first.
  if (exchange.isClientGone) return { cause: 'client-aborted' }
  if (error.failure !== undefined) return error.failure
  if (isOrdered(error)) return { cause: 'cancelled', detail: detailOf(cause) }
  if (code === 'SLUICE_UPSTREAM_FAILED') return failureOfConnection(cause, wasSent)
  if (code === 'SLUICE_UPSTREAM_TIMEOUT') return failureOfTimeout(cause, wasSent, isQueued)
  if (code === 'SLUICE_MIRRORED') return undefined
  if (code === 'SLUICE_PART_CANCELLED') return { cause: 'cancelled' }
  return failureOf(error, exchange.isClientDeadline)
}

/** Returns the failure of a complete response by its status; undefined below 400. `status`: of HTTP, or standing for gRPC's. */
export function failureOfStatus(status: number | undefined): Failure | undefined {
  if (status === undefined || status < 400) return undefined
  return status < 500 ? REJECTED : ERROR
}

/** Returns the failure of a response that its reader rejects with `error`. */
export function failureOfReader(error: ProblemError): Failure {
  const ofStatus = error.code === 'SLUICE_UPSTREAM_STATUS' ? failureOfStatus(error.statusCode) : undefined
  return ofStatus ?? failureOf(error, false)
}

const REJECTED: Failure = { cause: 'service-rejected' }
const ERROR: Failure = { cause: 'service-error' }

function failureOfTimeout(cause: unknown, wasSent: boolean, isQueued: boolean): Failure {
  const known = BY_CODE[codeOf(cause)]
  if (known !== undefined) return { cause: known }
  if (wasSent) return { cause: 'response-timeout' }
  return { cause: 'connect-timeout', ...(isQueued && { detail: 'all connections were in use' }) }
}

function failureOfConnection(error: unknown, wasSent: boolean): Failure {
  // The reader of the response destroyed its stream.
  if (error === undefined) return { cause: 'cancelled' }
  return { cause: causeOfConnection(error, wasSent), detail: detailOf(error) }
}

function causeOfConnection(error: unknown, wasSent: boolean): Cause {
  const code = codeOf(error)
  const { syscall = '', message } = error as Partial<NodeJS.ErrnoException>
  if (isLocalResourceExhaustion({ cause: error } as Error)) return 'resources-exhausted'
  if (syscall.startsWith('getaddrinfo') || syscall.startsWith('query')) return 'dns-failed'
  if (code === 'ETIMEDOUT' && !wasSent) return 'connect-timeout'
  if (BY_CODE[code] !== undefined) return BY_CODE[code]
  if (TLS_FAILURE.test(code)) return 'tls-failed'
  if (code.startsWith('HPE_') || isNotHttp(message)) return 'invalid-response'
  return 'connection-reset'
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | undefined)?.code ?? '')
}

/** Returns the message of an error; of several attempts to connect, that of the first. */
function detailOf(error: unknown): string | undefined {
  const { message, errors, code } = error as Partial<AggregateError & { code: string }>
  return toDetail(message || (errors?.[0] as Error | undefined)?.message || code)
}
