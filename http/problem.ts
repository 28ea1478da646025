import createError from '@fastify/error'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { Failure } from './cause.ts'
import { describeFailure, failureMembers } from './failure-text.ts'
import { type Fault, faultsOf, faultsOfRequest } from './json/faults.ts'
import { STATUS_CODES } from './node-internals.ts'

/** An error that is sent as a problem (RFC 9457). Make them with `createProblem`. */
export interface ProblemError extends FastifyError {
  /** Extension members of the problem (RFC 9457, 3.2). */
  problem?: Record<string, unknown>
  headers?: Record<string, string | string[]>
  /** Faults of all parts of the request. Default: those in `validation`. */
  faults?: Fault[]
  /** Failure of an upstream that the error stands for. */
  failure?: Failure
}

export interface Problem {
  type: string
  title: string
  status: number
  detail?: string
  requestId: string
  errors?: Fault[]
  [member: string]: unknown
}

export interface ProblemOptions {
  /** URI of the problem's type. Default: `urn:sluice:` and the code without `SLUICE_`, or `about:blank` for other codes. */
  type?: string
  headers?: Record<string, string>
}

export interface ProblemDetails {
  /** Extension members of the problem (RFC 9457, 3.2). */
  members?: Record<string, unknown>
  /** Response headers, beside those of the class. */
  headers?: Record<string, string | string[]>
  cause?: unknown
}

export type ProblemConstructor = new (details?: ProblemDetails) => ProblemError

/**
 * Returns a class of errors that are sent as problems.
 *
 * ```ts
 * const KeyRevoked = createProblem('KEY_REVOKED', 'The key was revoked', 401, { type: 'https://example.com/key-revoked' })
 * throw new KeyRevoked({ headers: { 'www-authenticate': 'ApiKey' } })
 * ```
 * @param title sent to clients, so it must not contain secrets
 */
export function createProblem(
  code: string,
  title: string,
  status: number,
  { type, headers: common }: ProblemOptions = {}
): ProblemConstructor {
  // Without a stack trace: 401 and 429 are frequent, and a stack costs more than the rest of the response.
  const Base = createError(code, title, status, Error, false)
  return class Problem extends Base implements ProblemError {
    problem: Record<string, unknown>
    headers?: Record<string, string | string[]>

    constructor({ members, headers, cause }: ProblemDetails = {}) {
      super()
      this.problem = { ...(type !== undefined && { type }), ...members }
      if (common || headers) this.headers = { ...common, ...headers }
      if (cause !== undefined) this.cause = cause
    }
  }
}

const ValidationFailed = 'urn:sluice:validation-failed'
/** Sends `error` as a problem. Also used for Fastify's `frameworkErrors`: an unreadable URL never reaches a hook. */
export function sendProblem(error: ProblemError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error.validation && error.validationContext) error.faults ??= faultsOfRequest(error, request)
  const body = problemOf(error, request.id)
  logProblem(error, body.title, levelOf(body.status), request)
  if (error.headers) reply.headers(error.headers)
  return reply
    .code(body.status)
    .header('x-request-id', request.id)
    .removeHeader('content-length')
    .type('application/problem+json')
    .serializer(identity)
    .send(JSON.stringify(body))
}

/** Notes why the exchange fails, and logs it: with an upstream, by its name, endpoint and cause. */
export function logProblem(
  error: ProblemError,
  title: string,
  level: 'error' | 'warn' | 'debug',
  { exchange, log }: FastifyRequest
): void {
  // Requests with an unreadable URL have no exchange.
  exchange?.fail(error)
  const failure = exchange?.failure
  const message = failure?.upstream === undefined ? title : describeFailure(failure)
  log[level]({ ...(failure && failureMembers(failure)), err: error }, message)
}

/** A serializer for text. With a serializer Fastify adds no charset to the content type. */
export function identity(text: string): string {
  return text
}

/** 500 is a fault of the gateway, 502 and 504 of a service; other errors are everyday traffic. */
function levelOf(status: number): 'error' | 'warn' | 'debug' {
  return status === 500 ? 'error' : status === 502 || status === 504 ? 'warn' : 'debug'
}

/** Returns the problem of an error. Unknown errors become 500 without their message. */
export function problemOf(error: ProblemError, requestId: string): Problem {
  if (error.validation) {
    const errors = error.faults ?? faultsOf(error.validation, error.validationContext ?? 'request')
    return { type: ValidationFailed, title: 'Validation failed', status: 400, errors, requestId }
  }
  const status =
    error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 600
      ? error.statusCode
      : 500
  if (error.code?.startsWith('SLUICE_') || error.problem) {
    return {
      type: error.problem?.type ? '' : typeOf(error.code),
      title: error.message,
      status,
      ...error.problem,
      requestId
    }
  }
  // Messages of other errors may reveal internals. Fastify's own 4xx only describe the request.
  const title = STATUS_CODES[status] ?? 'Error'
  const isFastifys = status < 500 && error.code?.startsWith('FST_')
  return { type: 'about:blank', title, status, ...(isFastifys && { detail: error.message }), requestId }
}

/** Returns the URI of a problem's type: `urn:sluice:…`, or `about:blank` for codes of others. */
function typeOf(code = ''): string {
  return code.startsWith('SLUICE_')
    ? `urn:sluice:${code.slice(7).toLowerCase().replaceAll('_', '-')}`
    : 'about:blank'
}
