import { type Cause, type Failure, toDetail } from './cause.ts'
import { faultsOf } from './json/faults.ts'
import type { ProblemError } from './problem.ts'

/** Causes by the code of an error, without its `SLUICE_`. */
const BY_CODE: Record<string, Cause> = {
  ADDRESS_REJECTED: 'address-rejected',
  BODY_TOO_LARGE: 'body-too-large',
  CLIENT_CLOSED_REQUEST: 'client-aborted',
  DEADLINE_EXCEEDED: 'deadline-exceeded',
  FORBIDDEN: 'forbidden',
  IDLE_TIMEOUT: 'idle-timeout',
  KEYS_UNAVAILABLE: 'keys-unavailable',
  LIMITS_UNAVAILABLE: 'limit-unavailable',
  METHOD_NOT_ALLOWED: 'method-not-allowed',
  ORIGIN_REJECTED: 'origin-rejected',
  OVERLOADED: 'overloaded',
  QUOTA_EXCEEDED: 'limit-reached',
  REQUEST_TIMEOUT: 'request-timeout',
  ROUTE_NOT_FOUND: 'no-route',
  STOPPING: 'stopping',
  TOKEN_EXPIRED: 'token-expired',
  TOKEN_INVALID: 'token-invalid',
  TOKEN_MISSING: 'token-missing',
  TOO_MANY_CONNECTIONS: 'too-many-connections',
  UNFORWARDABLE: 'unforwardable',
  UPSTREAM_FAILED: 'connection-reset',
  UPSTREAM_INVALID_RESPONSE: 'invalid-response',
  UPSTREAM_OVERLOADED: 'bulkhead-full',
  UPSTREAM_TIMEOUT: 'response-timeout',
  UPSTREAM_UNAVAILABLE: 'breaker-open',
  VERSION_BROWNOUT: 'version-brownout',
  VERSION_CONFLICT: 'version-conflict',
  VERSION_GONE: 'version-gone',
  VERSION_MISSING: 'version-missing',
  VERSION_UNKNOWN: 'version-unknown'
}

/** Codes, without `SLUICE_`, of requests that no route sees, since HTTP or the gateway does not allow them. */
const MALFORMED = new Set([
  'AMBIGUOUS_HOST',
  'BAD_FRAMING',
  'BAD_HANDSHAKE',
  'BAD_HOST',
  'BAD_TARGET',
  'BODY_COMPRESSED',
  'BODY_NOT_UTF8',
  'BODY_TOO_DEEP',
  'HEADERS_TOO_LARGE',
  'NO_GRPC',
  'NO_HTTP2',
  'NOT_PREFLIGHT',
  'TOO_MANY_HEADERS',
  'UNKNOWN_CODING',
  'UNKNOWN_EXPECTATION',
  'UNKNOWN_VERSION',
  'UNSAFE_PATH',
  'UNSUPPORTED_CHARSET',
  'UPGRADE_REQUIRED'
])

/**
 * Returns the failure that an error stands for. Upstreams note theirs in `error.failure`; for others the code decides.
 * @param isClientDeadline true if the client chose the deadline that has passed
 */
export function failureOf(error: Error & Partial<ProblemError>, isClientDeadline: boolean): Failure {
  if (error.failure !== undefined) return error.failure
  if (error.validation) return { cause: 'invalid-request', detail: firstFault(error) }
  const { code = '', statusCode = 500 } = error
  const name = code.startsWith('SLUICE_') ? code.slice(7) : ''
  const cause = BY_CODE[name]
  if (cause === 'deadline-exceeded' && isClientDeadline) return { cause: 'client-deadline-exceeded' }
  if (cause === 'invalid-response' || cause === 'unforwardable')
    return { cause, detail: toDetail((error.cause as Partial<Error>)?.message) }
  if (cause !== undefined) return { cause }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return { cause: 'body-too-large' }
  if (MALFORMED.has(name) || (code.startsWith('FST_ERR_') && statusCode < 500))
    return { cause: 'malformed-request', detail: toDetail(code) }
  return { cause: causeOfStatus(statusCode), detail: toDetail(code) }
}

/** State of an exchange that has ended. */
interface EndedExchange {
  readonly failure: Failure | undefined
  readonly responseFailure: Failure | undefined
  readonly abortReason: Error | undefined
  readonly isClientDeadline: boolean
  readonly isComplete: boolean
  readonly status: number
  readonly route: string | undefined
}

/** Returns why an exchange did not end well: by the error that was sent, else the abort, else the response. */
export function finalFailure(exchange: EndedExchange): Failure | undefined {
  const { failure, responseFailure, abortReason, isComplete, status, route } = exchange
  if (isComplete && status < 400) return undefined
  if (failure !== undefined) return failure
  if (abortReason !== undefined) return failureOf(abortReason, exchange.isClientDeadline)
  if (responseFailure !== undefined) return responseFailure
  // An app without the plugin problem sends its own 404.
  return { cause: route === undefined && status === 404 ? 'no-route' : causeOfStatus(status) }
}

/** Returns the cause of a response that a route, hook or plugin has sent itself. */
function causeOfStatus(status: number): Cause {
  return status < 500 ? 'gateway-rejected' : 'gateway-error'
}

/** Returns path and message of the first fault of a request. */
function firstFault({
  faults,
  validation = [],
  validationContext = 'body'
}: Partial<ProblemError>): string | undefined {
  const [fault] = faults ?? faultsOf(validation.slice(0, 1), validationContext)
  return toDetail(fault && `${fault.path} ${fault.message}`)
}
