import type { FastifyInstance, FastifyRequest, RouteShorthandOptions } from 'fastify'
import fp from 'fastify-plugin'
import type { Static, TSchema } from 'typebox'
import { toComposedHeaders } from './headers.ts'
import type { Headers, UpstreamResponse } from './upstream/call.ts'
import type { UpstreamName } from './upstream/index.ts'
import { answerReader } from './upstream/wire.ts'

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
}

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
  fastify.decorate('transform', function (
    this: FastifyInstance,
    route: TransformRoute<TSchema, TSchema, TSchema, TSchema, TSchema, TSchema>
  ) {
    const {
      upstream: name,
      answer,
      response,
      toUpstream,
      toClient,
      body,
      params,
      querystring,
      headers,
      ...options
    } = route
    const upstream = this.upstream(name)
    const read = answerReader(answer)
    const schema = definedOnly({ body, params, querystring, headers, response: { '2xx': response } })

    this.route({
      ...options,
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
            collect: true
          },
          (error, result) => {
            if (error !== null) return reply.send(error)
            let external: unknown
            try {
              external = toClient(read(result as UpstreamResponse) as never, request)
            } catch (error) {
              return reply.send(error)
            }
            reply.code((result as UpstreamResponse).statusCode).send(external)
          }
        )
      }
    })
    return this
  } as never)
}

export default fp(transform, { name: 'sluice-transform', fastify: '5.x', dependencies: ['sluice-upstream'] })

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
