import type { Http2ServerResponse } from 'node:http2'
import createError from '@fastify/error'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { type ProblemError, problemOf, sendProblem } from '../http/problem.ts'
import { requirePlugin } from '../http/require-plugin.ts'
import { setGrpcStatus, toGrpcStatus } from '../proxy/grpc-status.ts'
import forward, { type ForwardRoute } from './forward.ts'

/**
 * gRPC over HTTP/2, end to end: calls of every kind, with their trailers. The upstream has `http2`.
 *
 * ```ts
 * await app.register(forward)
 * await app.register(grpc)
 * app.grpc({ url: '/*', upstream: 'greeter' }) // in the scope /helloworld.Greeter
 * ```
 *
 * `grpc-timeout` is the call's deadline, the route's too if that is shorter. What the gateway itself says is a
 * `grpc-status`: UNAUTHENTICATED for 401, RESOURCE_EXHAUSTED for 429, UNAVAILABLE for 502 and 503, DEADLINE_EXCEEDED
 * for 408 and 504. Breaker, metrics and log go by the `grpc-status`, be it the service's or the gateway's.
 * What is no gRPC is answered 415, over HTTP/1.1 505.
 */
export type GrpcRoute = Omit<ForwardRoute, 'method' | 'prefix' | 'trailers'>

const NotGrpc = createError('SLUICE_NO_GRPC', 'This route speaks gRPC', 415, Error, false)
const NotHttp2 = createError('SLUICE_NO_HTTP2', 'gRPC needs HTTP/2', 505, Error, false)

async function grpc(fastify: FastifyInstance) {
  requirePlugin(fastify, 'upstreams', 'grpc')
  if (!fastify.hasPlugin('sluice-forward')) await fastify.register(forward)
  if (fastify.hasDecorator('grpc')) return
  fastify.decorate('grpc', function (this: FastifyInstance, route: GrpcRoute) {
    const prefix = this.prefix
    this.register(async context => {
      context.setErrorHandler<ProblemError>(sendStatus)
      // A context with a handler of its own for errors has hooks that are its own too.
      context.addHook('onRequest', (request, _reply, done) => {
        if (request.raw.httpVersionMajor !== 2) return done(new NotHttp2())
        if (!isGrpc(request)) return done(new NotGrpc())
        request.exchange.isGrpc = true
        const timeout = timeoutOf(request.headers['grpc-timeout'])
        if (timeout !== undefined) request.exchange.setClientDeadline(timeout)
        done()
      })
      context.forward({ ...route, method: 'POST', prefix, trailers: true })
    })
    return this
  })
}

export default fp(grpc, { name: 'sluice-grpc', fastify: '5.x' })

function sendStatus(error: ProblemError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (request.raw.httpVersionMajor !== 2 || !isGrpc(request)) return sendProblem(error, request, reply)
  const { status, title } = problemOf(error, request.id)
  request.log[status >= 500 ? 'warn' : 'debug']({ err: error }, title)
  const grpcStatus = toGrpcStatus(status)
  setGrpcStatus(request.exchange, grpcStatus)
  const response = reply.raw as unknown as Http2ServerResponse
  response.addTrailers({
    'grpc-status': String(grpcStatus),
    'grpc-message': encodeURIComponent(title)
  })
  if (error.headers) reply.headers(error.headers)
  return reply.code(200).removeHeader('content-length').type('application/grpc').send()
}

function isGrpc({ headers }: FastifyRequest): boolean {
  return /^application\/grpc(?:[+;]|$)/i.test(headers['content-type'] ?? '')
}

/** Milliseconds of each unit. */
const UNITS: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 }

function timeoutOf(value: string | string[] | undefined): number | undefined {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(String(value)) ?? []
  if (digits === undefined || unit === undefined) return undefined
  // Beyond, a timer would fire at once.
  return Math.min(Number(digits) * (UNITS[unit] as number), 2 ** 31 - 1)
}

declare module 'fastify' {
  interface FastifyInstance {
    grpc(route: GrpcRoute): FastifyInstance
  }
}
