import type { Http2ServerResponse } from 'node:http2'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteGenericInterface } from 'fastify'
import fp from 'fastify-plugin'
import type { AuthenticatedInstance, WithAuthenticatedHooks } from '../auth/authenticated.ts'
import { createProblem, logProblem, type ProblemError, problemOf } from '../http/problem.ts'
import { requirePlugin } from '../http/require-plugin.ts'
import { setGrpcStatus, toGrpcStatus } from '../proxy/grpc-status.ts'
import forward, { type ForwardRoute } from './forward.ts'

/**
 * Forwards gRPC calls of all kinds over HTTP/2, with their trailers, to an upstream with `http2`. Registers `forward` if the
 * scope has not.
 *
 * ```ts
 * await app.register(grpc)
 * app.grpc({ url: '/*', upstream: 'greeter' }) // in the scope /helloworld.Greeter
 * ```
 *
 * `grpc-timeout` is a deadline, beside the route's. Errors of the gateway are sent as `grpc-status`, whatever the app's
 * error handler: UNAUTHENTICATED for 401, RESOURCE_EXHAUSTED for 429, UNAVAILABLE for 502 and 503, DEADLINE_EXCEEDED for
 * 408 and 504. Breaker, metrics and log go by `grpc-status`. Requests that are not gRPC get 415, over HTTP/1.1 505.
 */
export type GrpcRoute = Omit<ForwardRoute, 'method' | 'openapi' | 'prefix' | 'trailers'>

const NotGrpc = createProblem('SLUICE_NO_GRPC', 'This route speaks gRPC', 415)
const NotHttp2 = createProblem('SLUICE_NO_HTTP2', 'gRPC needs HTTP/2', 505)

async function grpc(fastify: FastifyInstance) {
  requirePlugin(fastify, 'upstreams', 'grpc')
  if (fastify.hasDecorator('grpc')) return
  if (!fastify.hasDecorator('forward')) await fastify.register(forward)

  fastify.decorate('grpc', function (this: FastifyInstance, route: GrpcRoute) {
    const { prefix } = this
    this.register(async context => {
      // gRPC clients read errors from grpc-status only.
      context.setErrorHandler<ProblemError>(sendGrpcStatus)
      context.addHook('onRequest', (request, _reply, done) => {
        if (request.raw.httpVersionMajor !== 2) return done(new NotHttp2())
        if (!isGrpc(request)) return done(new NotGrpc())
        request.exchange.isGrpc = true
        const timeout = parseTimeout(request.headers['grpc-timeout'])
        if (timeout !== undefined) request.exchange.setClientDeadline(timeout)
        done()
      })
      context.forward({
        ...route,
        config: { ...route.config, openapi: false },
        method: 'POST',
        prefix,
        trailers: true
      })
    })
    return this
  })
}

/** Sends an error in trailers, or passes it to the app's error handler if the client does not speak gRPC. */
function sendGrpcStatus(error: ProblemError, request: FastifyRequest, reply: FastifyReply): void {
  if (request.raw.httpVersionMajor !== 2 || !isGrpc(request)) return void reply.send(error)
  const { status, title } = problemOf(error, request.id)
  logProblem(error, title, status >= 500 ? 'warn' : 'debug', request)
  const grpcStatus = toGrpcStatus(status)
  setGrpcStatus(request.exchange, grpcStatus)
  const response = reply.raw as unknown as Http2ServerResponse
  response.addTrailers({
    'grpc-status': String(grpcStatus),
    'grpc-message': encodeURIComponent(title)
  })
  if (error.headers) reply.headers(error.headers)
  reply.code(200).removeHeader('content-length').type('application/grpc').send()
}

function isGrpc({ headers }: FastifyRequest): boolean {
  return /^application\/grpc(?:[+;]|$)/i.test(headers['content-type'] ?? '')
}

/** Milliseconds of each unit of `grpc-timeout`. */
const UNITS: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 }
/** Milliseconds. Node fires longer timers at once. */
const MAX_TIMEOUT = 2 ** 31 - 1

/** Returns milliseconds, or undefined for a missing or invalid value. */
function parseTimeout(value: string | string[] | undefined): number | undefined {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(String(value)) ?? []
  if (digits === undefined || unit === undefined) return undefined
  return Math.min(Number(digits) * (UNITS[unit] as number), MAX_TIMEOUT)
}

declare module 'fastify' {
  interface FastifyInstance {
    grpc(route: GrpcRoute): FastifyInstance
  }
}

declare module '../auth/authenticated.ts' {
  interface AuthenticatedMethods<Provider> {
    grpc<Route extends RouteGenericInterface = RouteGenericInterface>(
      route: WithAuthenticatedHooks<GrpcRoute, Route>
    ): AuthenticatedInstance<Provider>
  }
}

export default fp(grpc, { name: 'sluice-grpc', fastify: '5.x' })
