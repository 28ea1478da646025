import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify'
import fp from 'fastify-plugin'
import type { Static, TSchema } from 'typebox'
import { sendJson } from '../http/json/send.ts'
import type { ProblemError } from '../http/problem.ts'
import type { Headers, UpstreamResponse } from '../proxy/attempt.ts'
import { replaceUnauthorized } from '../proxy/errors.ts'
import { toComposedHeaders } from '../proxy/headers.ts'
import { answerReader } from '../proxy/response-reader.ts'
import type { UpstreamName } from './upstreams.ts'

/**
 * Transformation: an external API shape in front of an internal one, mapped by two typed functions.
 *
 * ```ts
 * await app.register(transform)
 * app.transform({
 *   method: 'POST', url: '/', upstream: 'orders',
 *   body: NewOrder, answer: InternalOrder, response: Order,
 *   toUpstream: request => ({ method: 'POST', path: '/orders', body: { userId: request.user.sub, … } }),
 *   toClient: order => ({ id: order.id, … })
 * })
 * ```
 *
 * The request is validated first: one that is wrong never reaches the service. The service's answer is validated too
 * (502 if it is not what `answer` says), mapped, and serialized by `response`: what that does not name does not leave.
 * The service's status is passed on; of an answer that is an error nothing else is.
 */
export interface TransformRoute<
  Body extends TSchema,
  Params extends TSchema,
  Query extends TSchema,
  Inbound extends TSchema,
  Answer extends TSchema,
  Response extends TSchema
> extends Omit<RouteShorthandOptions, 'schema'> {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  url: string
  upstream: UpstreamName
  body?: Body
  params?: Params
  querystring?: Query
  headers?: Inbound
  /** What the service must answer with a 2xx status; further members are let pass, and ignored. */
  answer: Answer
  /** What the client gets, and nothing besides. */
  response: Response
  toUpstream(request: TransformRequest<Body, Params, Query, Inbound>): InternalRequest
  toClient(answer: Static<Answer>, request: FastifyRequest): Static<Response>
  /** True: a 401 of the service reaches the client with its `WWW-Authenticate`. Otherwise it is 502. */
  passUnauthorized?: boolean
  /** What a call that failed is to the client; an error says its problem by itself (see problem.ts). */
  toError?(error: Error, request: FastifyRequest): Error
}

export type AnyRoute = TransformRoute<TSchema, TSchema, TSchema, TSchema, TSchema, TSchema>

export type TransformRequest<
  Body extends TSchema,
  Params extends TSchema,
  Query extends TSchema,
  Inbound extends TSchema
> = FastifyRequest<{
  Body: Static<Body>
  Params: Static<Params>
  Querystring: Static<Query>
  Headers: Static<Inbound>
}>

export interface InternalRequest {
  method: string
  /** See the `path` template of upstream/wire.ts. */
  path: string
  /** Sent as JSON. */
  body?: unknown
  /** Over the gateway's own. */
  headers?: Headers
}

async function transform(fastify: FastifyInstance) {
  fastify.decorate('transform', function (this: FastifyInstance, route: AnyRoute) {
    const {
      upstream: name,
      answer,
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
    const upstream = this.upstream(name)
    const read = answerReader(answer, upstream.maxBody)
    const schema = definedOnly({ body, params, querystring, headers, response: { '2xx': response } })

    this.route({
      ...options,
      config: { ...options.config, calls: [{ pattern: 'transform', upstream: name }] },
      schema,
      handler(request, reply) {
        const internal = toUpstream(request as never)
        const outbound = toComposedHeaders(request)
        let payload: string | undefined
        if (internal.body !== undefined) {
          payload = JSON.stringify(internal.body)
          outbound['content-type'] = 'application/json'
        }
        Object.assign(outbound, internal.headers)
        upstream.request(
          {
            exchange: request.exchange,
            method: internal.method,
            path: internal.path,
            headers: outbound,
            body: payload,
            buffer: true
          },
          (error, result) => {
            if (error !== null) return fail(error, toError, reply)
            let value: unknown
            try {
              value = read(result as UpstreamResponse)
            } catch (error) {
              return fail(replaceUnauthorized(error as ProblemError, passUnauthorized), toError, reply)
            }
            try {
              sendJson(reply.code((result as UpstreamResponse).statusCode), toClient(value as never, request))
            } catch (error) {
              reply.send(error)
            }
          }
        )
      }
    })
    return this
  } as never)
}

function fail(error: Error, toError: AnyRoute['toError'], reply: FastifyReply): void {
  let told = error
  try {
    if (toError !== undefined) told = toError(error, reply.request)
  } catch (thrown) {
    told = thrown as Error
  }
  reply.send(told)
}

/** Has the compiler check a route that is not given to `app.transform` at once, as one that others are steps from. */
export function defineTransform<
  Answer extends TSchema,
  Response extends TSchema,
  Body extends TSchema = TSchema,
  Params extends TSchema = TSchema,
  Query extends TSchema = TSchema,
  Inbound extends TSchema = TSchema
>(
  route: TransformRoute<Body, Params, Query, Inbound, Answer, Response>
): TransformRoute<Body, Params, Query, Inbound, Answer, Response> {
  return route
}

export default fp(transform, { name: 'sluice-transform', fastify: '5.x', dependencies: ['sluice-upstreams'] })

function definedOnly<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T
}

declare module 'fastify' {
  interface FastifyInstance {
    transform<
      Answer extends TSchema,
      Response extends TSchema,
      Body extends TSchema = TSchema,
      Params extends TSchema = TSchema,
      Query extends TSchema = TSchema,
      Inbound extends TSchema = TSchema
    >(route: TransformRoute<Body, Params, Query, Inbound, Answer, Response>): FastifyInstance
  }
}
