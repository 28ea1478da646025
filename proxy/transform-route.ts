import type { FastifyRequest, RouteShorthandOptions } from 'fastify'
import type { Static, TSchema } from 'typebox'
import type { User } from '../auth/user.ts'
import type { RouteTexts } from '../observe/route-metadata.ts'
import type { UpstreamName } from '../schemas/options/upstream-name.ts'
import type { Headers } from './call-types.ts'

/**
 * A route of `app.transform`, with the options of Fastify's shorthand routes. Of `schema` it has the texts only.
 *
 * ```ts
 * app.transform({
 *   method: 'GET',
 *   url: '/:id',
 *   upstream: 'orders',
 *   params: Type.Object({ id: Type.String() }),
 *   upstreamResponse: Type.Object({ orderId: Type.String(), state: Type.String() }),
 *   response: Type.Object({ id: Type.String(), status: Type.String() }),
 *   toUpstream: ({ params }) => ({ method: 'GET', path: path`/orders/${params.id}` }),
 *   toClient: ({ orderId, state }) => ({ id: orderId, status: state })
 * })
 * ```
 */
export interface TransformRoute<
  Body extends TSchema,
  Params extends TSchema,
  Query extends TSchema,
  RequestHeaders extends TSchema,
  UpstreamResponse extends TSchema,
  Response extends TSchema,
  Identity extends User | undefined = User | undefined
> extends Omit<RouteShorthandOptions, 'schema'> {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  url: string
  /** Texts for the OpenAPI document. */
  schema?: RouteTexts
  upstream: UpstreamName
  /** Schema of the request's JSON body. Without one the body is not validated. */
  body?: Body
  params?: Params
  querystring?: Query
  /** Schema of the request's headers, with names in lower case. */
  headers?: RequestHeaders
  /** Schema of the service's 2xx response. It may have more members, which are ignored. */
  upstreamResponse: UpstreamResponse
  /** Schema of the response to the client, which gets these members only. */
  response: Response
  /** Returns the request to the service. */
  toUpstream: (request: TransformRequest<Body, Params, Query, RequestHeaders, Identity>) => InternalRequest
  /** Returns the response to the client. */
  toClient: (response: Static<UpstreamResponse>, request: RequestOf<Identity>) => Static<Response>
  /**
   * Passes a 401 of the service to the client with its `WWW-Authenticate`. Otherwise the client gets 502, because the
   * service rejected the gateway's request. Default: false.
   */
  passUnauthorized?: boolean
  /** Returns the error to send when the call to the service failed. */
  toError?: (error: Error, request: RequestOf<Identity>) => Error
}

export type AnyTransformRoute = TransformRoute<TSchema, TSchema, TSchema, TSchema, TSchema, TSchema>

/** A request whose `user` is defined in scopes with `jwt`. */
export type RequestOf<Identity extends User | undefined> = FastifyRequest & { readonly user: Identity }

/** The request that `toUpstream` gets, typed by the route's schemas: `request.body.items[0].quantity`. */
export type TransformRequest<
  Body extends TSchema,
  Params extends TSchema,
  Query extends TSchema,
  RequestHeaders extends TSchema,
  Identity extends User | undefined = User | undefined
> = FastifyRequest<{
  Body: Static<Body>
  Params: Static<Params>
  Querystring: Static<Query>
  Headers: Static<RequestHeaders>
}> & { readonly user: Identity }

/**
 * A request to the service.
 *
 * ```ts
 * { method: 'POST', path: path`/users/${user.sub}/orders`, body: { items }, headers: { 'x-source': 'web' } }
 * ```
 */
export interface InternalRequest {
  method: string
  /** Path and query. Write it with the template `path`, which encodes values. */
  path: string
  /** Sent as JSON. */
  body?: unknown
  /** Added to the headers that the gateway sends, or replacing them. */
  headers?: Headers
}

/**
 * Type-checks a route without registering it, so that an older version can be a `step` from it.
 *
 * ```ts
 * const readOrder = defineTransform({ method: 'GET', url: '/:id', upstream: 'orders', … })
 * app.transform(readOrder)
 * ```
 */
export function defineTransform<
  UpstreamResponse extends TSchema,
  Response extends TSchema,
  Body extends TSchema = TSchema,
  Params extends TSchema = TSchema,
  Query extends TSchema = TSchema,
  RequestHeaders extends TSchema = TSchema
>(
  route: TransformRoute<Body, Params, Query, RequestHeaders, UpstreamResponse, Response>
): TransformRoute<Body, Params, Query, RequestHeaders, UpstreamResponse, Response> {
  return route
}

/**
 * Type-checks a route for an `AuthenticatedInstance`: `request.user` is defined. Otherwise like `defineTransform`.
 *
 * ```ts
 * const readMine = defineAuthenticatedTransform({
 *   …, toUpstream: ({ user }) => ({ method: 'GET', path: path`/users/${user.sub}/orders` })
 * })
 * ```
 */
export function defineAuthenticatedTransform<
  UpstreamResponse extends TSchema,
  Response extends TSchema,
  Body extends TSchema = TSchema,
  Params extends TSchema = TSchema,
  Query extends TSchema = TSchema,
  RequestHeaders extends TSchema = TSchema
>(
  route: TransformRoute<Body, Params, Query, RequestHeaders, UpstreamResponse, Response, User>
): TransformRoute<Body, Params, Query, RequestHeaders, UpstreamResponse, Response, User> {
  return route
}
