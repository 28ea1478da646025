import createError from '@fastify/error'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import findMyWay, { type HTTPMethod as HTTPMethods } from 'find-my-way'
import { faultsOf, faultsOfRequest } from '../http/json/faults.ts'
import { STATUS_CODES } from '../http/node-internals.ts'

/**
 * Errors as problem details (RFC 9457), for every answer that is not a success: one error handler, 404 and 405
 * included.
 *
 * An error's `statusCode` becomes the status, its code the `type` (`SLUICE_TOKEN_EXPIRED` is
 * `urn:sluice:token-expired`), its message the `title`. Members of `error.problem` are added, `error.headers` are
 * sent; an error that has them, even if empty, says by it that its message is for clients. An error without a status, or with 500, says nothing of itself: it is logged, and answered as 500.
 */
export interface ProblemError extends FastifyError {
  /** Extension members of the problem (RFC 9457, 3.2). */
  problem?: Record<string, unknown>
  headers?: Record<string, string | string[]>
  /** Faults of all parts of the request. Default: those in `validation`. */
  faults?: Fault[]
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

export interface Fault {
  /** JSON pointer into the part of the request that it names first: `/body/orderItems/0/qty`. */
  path: string
  message: string
}

const ValidationFailed = 'urn:sluice:validation-failed'
const NotFound = createError('SLUICE_ROUTE_NOT_FOUND', 'No such route', 404, Error, false)
const MethodNotAllowed = createError('SLUICE_METHOD_NOT_ALLOWED', 'Method not allowed', 405, Error, false)

async function problem(fastify: FastifyInstance) {
  const methods = new Set<HTTPMethods>()
  const routes = findMyWay()

  fastify.addHook('onRoute', ({ method, url, config, schema }) => {
    // A route that is hidden (that of CORS preflights) is no resource of the client's.
    if (config?.isCatchAll || (schema as { hide?: boolean } | undefined)?.hide) return
    for (const one of [method].flat() as HTTPMethods[]) {
      methods.add(one)
      if (!routes.hasRoute(one, url)) routes.on(one, url, () => {}, url)
    }
  })

  fastify.setErrorHandler<ProblemError>((error, request, reply) => sendProblem(error, request, reply))

  fastify.decorate('sendUnrouted', (request, reply) => {
    const path = request.url.split('?', 1)[0] as string
    const allowed = [...methods].filter(method => routes.find(method, path) !== null)
    if (allowed.length === 0) return sendProblem(new NotFound(), request, reply)
    reply.header('allow', allowed.sort().join(', '))
    return sendProblem(new MethodNotAllowed(), request, reply)
  })
  fastify.setNotFoundHandler(fastify.sendUnrouted)
  fastify.decorate('patternAt', (method, path) => routes.find(method as HTTPMethods, path)?.store as string)
}

export default fp(problem, { name: 'sluice-problem', fastify: '5.x' })

/** Has 404 and 405 under the prefix of `scope` pass its hooks, unless its routes have a handler of their own for it. */
export function answerUnrouted(scope: FastifyInstance): void {
  try {
    scope.setNotFoundHandler(scope.sendUnrouted)
  } catch (error) {
    if (!(error as Error).message.startsWith('Not found handler already set')) throw error
  }
}

/** Answers `error` as a problem. Also Fastify's `frameworkErrors`: a URL that cannot be read never reaches a hook. */
export function sendProblem(error: ProblemError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error.validation && error.validationContext) error.faults ??= faultsOfRequest(error, request)
  const body = problemOf(error, request.id)
  request.log[levelOf(body.status)]({ err: error }, body.title)
  if (error.headers) reply.headers(error.headers)
  return reply
    .code(body.status)
    .header('x-request-id', request.id)
    .removeHeader('content-length')
    .type('application/problem+json')
    .serializer(asItIs)
    .send(JSON.stringify(body))
}

/** A text of which Fastify is not to name a charset. */
export function asItIs(text: string): string {
  return text
}

/** Ours to mend, somebody's to look at, or just what a gateway says all day. */
function levelOf(status: number): 'error' | 'warn' | 'debug' {
  return status === 500 ? 'error' : status === 502 || status === 504 ? 'warn' : 'debug'
}

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
  // Others' messages are not ours to vouch for: Fastify's own 4xx speak of the request, anything else may speak of us.
  const title = STATUS_CODES[status] ?? 'Error'
  const isFastifys = status < 500 && error.code?.startsWith('FST_')
  return { type: 'about:blank', title, status, ...(isFastifys && { detail: error.message }), requestId }
}

export function typeOf(code = ''): string {
  return code.startsWith('SLUICE_')
    ? `urn:sluice:${code.slice(7).toLowerCase().replaceAll('_', '-')}`
    : 'about:blank'
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Answers what has no route: 404, or 405 with `Allow`. */
    sendUnrouted(request: FastifyRequest, reply: FastifyReply): FastifyReply
    /** Returns the pattern of the route that takes `path`, whatever its version. */
    patternAt(method: string, path: string): string | undefined
  }
}
