import type { FastifyInstance, FastifyReply, FastifySchema, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import type { TSchema } from 'typebox'
import type { AuthenticatedInstance } from '../auth/authenticated.ts'
import type { User } from '../auth/user.ts'
import { jsonCompilers } from '../http/json/compilers.ts'
import { sendJson } from '../http/json/send.ts'
import type { ProblemError } from '../http/problem.ts'
import { requirePlugin } from '../http/require-plugin.ts'
import type { UpstreamResponse } from '../proxy/call-types.ts'
import { replaceUnauthorized } from '../proxy/errors.ts'
import { toComposedHeaders } from '../proxy/headers.ts'
import { createResponseReader } from '../proxy/response-reader.ts'
import type { AnyTransformRoute, TransformRoute } from '../proxy/transform-route.ts'
import { checkRoute, rejectOptions } from '../schemas/options/complete.ts'
import { TransformOptions } from '../schemas/options/transform.ts'
import jsonBody from './json-body.ts'

/**
 * Puts an external JSON API in front of an internal one, mapped by two typed functions.
 *
 * ```ts
 * await app.register(transform)
 * app.transform({
 *   method: 'POST', url: '/', upstream: 'orders',
 *   body: NewOrder, upstreamResponse: InternalOrder, response: Order,
 *   toUpstream: request => ({ method: 'POST', path: '/orders', body: { userId: request.user.sub, … } }),
 *   toClient: order => ({ id: order.id, … })
 * })
 * ```
 *
 * The request is validated before the service is called. The service's response is validated too (502 if it does not
 * match), mapped, and serialized by `response`. The service's status is the client's; of an error nothing else is passed.
 *
 * Needs `upstreams`. Registers `jsonBody` in its scope unless the scope has it. Its routes have compilers of their own,
 * since Fastify's would coerce bodies and round numbers; set `validatorCompiler` or `serializerCompiler` in a route to
 * use others.
 */
async function transform(fastify: FastifyInstance, options: object) {
  rejectOptions(options, 'transform')
  requirePlugin(fastify, 'upstreams', 'transform')
  if (!fastify.hasPlugin('sluice-json-body')) await fastify.register(jsonBody)
  if (fastify.hasDecorator('transform')) return
  fastify.decorate('transform', function (this: FastifyInstance, route: AnyTransformRoute) {
    this.route(toRoute(this, route))
    return this
  } as never)
}

/** @throws ConfigError for wrong options */
function toRoute(scope: FastifyInstance, route: AnyTransformRoute): RouteOptions {
  const routeName = `${route.method} ${scope.prefix}${route.url}`
  checkRoute(TransformOptions, route, routeName)
  const {
    upstream: name,
    upstreamResponse,
    response,
    toUpstream,
    toClient,
    toError,
    body,
    params,
    querystring,
    headers,
    passUnauthorized,
    ...options
  } = route
  const upstream = scope.upstream(name, routeName)
  const read = createResponseReader(upstreamResponse, upstream.maxBody)

  return {
    ...jsonCompilers(scope),
    ...options,
    config: { ...options.config, calls: [{ pattern: 'transform', upstream: name }] },
    schema: {
      ...(options.schema as FastifySchema),
      ...(body && { body }),
      ...(params && { params }),
      ...(querystring && { querystring }),
      ...(headers && { headers }),
      response: { '2xx': response }
    },
    handler(request, reply) {
      const internal = toUpstream(request as never)
      const outbound = toComposedHeaders(request)
      let payload: string | undefined
      if (internal.body !== undefined) {
        payload = JSON.stringify(internal.body)
        outbound['content-type'] = 'application/json'
      }
      Object.assign(outbound, internal.headers)
      const { method, path } = internal
      upstream.request(
        { exchange: request.exchange, method, path, headers: outbound, body: payload, buffer: true },
        (error, received) => {
          if (error !== null) return sendError(error, toError, reply)
          let value: unknown
          try {
            value = read(received as UpstreamResponse)
          } catch (error) {
            const own = replaceUnauthorized(error as ProblemError, passUnauthorized)
            received?.source?.blame(own)
            return sendError(own, toError, reply)
          }
          try {
            sendJson(reply.code((received as UpstreamResponse).statusCode), toClient(value as never, request))
          } catch (error) {
            reply.send(error)
          }
        }
      )
    }
  }
}

function sendError(error: Error, toError: AnyTransformRoute['toError'], reply: FastifyReply): void {
  // toError may replace it.
  reply.request.exchange.fail(error)
  let mapped = error
  try {
    if (toError !== undefined) mapped = toError(error, reply.request)
  } catch (thrown) {
    mapped = thrown as Error
  }
  reply.send(mapped)
}

export default fp(transform, { name: 'sluice-transform', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Adds a route that maps requests and responses of an upstream.
     * @throws ConfigError for wrong options, and an error if there is no such upstream
     */
    transform<
      UpstreamResponse extends TSchema,
      Response extends TSchema,
      Body extends TSchema = TSchema,
      Params extends TSchema = TSchema,
      Query extends TSchema = TSchema,
      RequestHeaders extends TSchema = TSchema
    >(route: TransformRoute<Body, Params, Query, RequestHeaders, UpstreamResponse, Response>): FastifyInstance
  }
}

declare module '../auth/authenticated.ts' {
  interface AuthenticatedMethods<Provider> {
    transform<
      UpstreamResponse extends TSchema,
      Response extends TSchema,
      Body extends TSchema = TSchema,
      Params extends TSchema = TSchema,
      Query extends TSchema = TSchema,
      RequestHeaders extends TSchema = TSchema
    >(
      route: TransformRoute<Body, Params, Query, RequestHeaders, UpstreamResponse, Response, User>
    ): AuthenticatedInstance<Provider>
  }
}
