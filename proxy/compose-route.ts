import type { RouteShorthandOptions } from 'fastify'
import type { Static, TSchema } from 'typebox'
import type { User } from '../auth/user.ts'
import type { RouteTexts } from '../observe/route-metadata.ts'
import type { UpstreamName } from '../schemas/options/upstream-name.ts'
import type { RequestOf } from './transform-route.ts'

/**
 * A route of `app.compose`, with the options of Fastify's shorthand routes. Of `schema` it has the texts only. The method is GET.
 *
 * ```ts
 * app.compose({
 *   url: '/',
 *   parts: {
 *     user: { upstream: 'users', required: true, upstreamResponse: User, path: ({ user }) => path`/users/${user.sub}` },
 *     orders: { upstream: 'orders', upstreamResponse: Orders, path: () => '/orders', timeout: 2_000 }
 *   },
 *   response: Dashboard,
 *   toClient: ({ user, orders }) => ({ name: user.name, orders: orders?.length ?? null })
 * })
 * ```
 */
export interface ComposeRoute<
  Parts extends Record<string, Part<TSchema, Identity>>,
  Response extends TSchema,
  Identity extends User | undefined = User | undefined
> extends Omit<RouteShorthandOptions, 'schema'> {
  url: string
  /** Texts for the OpenAPI document. */
  schema?: RouteTexts
  params?: TSchema
  querystring?: TSchema
  /** By name. All are fetched in parallel, within the deadline of the request. */
  parts: Parts
  /** Schema of the response to the client, which gets these members only, and `missing`. */
  response: Response
  /** Returns the response to the client. A part that is optional and has no fallback may be null. */
  toClient: (parts: PartValues<Parts>, request: RequestOf<Identity>) => Static<Response>
}

/**
 * One call to a service, by GET.
 *
 * ```ts
 * const orders: Part = { upstream: 'orders', upstreamResponse: Orders, path: () => '/orders?limit=10', timeout: 2_000 }
 * ```
 */
export interface Part<
  UpstreamResponse extends TSchema = TSchema,
  Identity extends User | undefined = User | undefined
> {
  upstream: UpstreamName
  /** Returns path and query. Write it with the template `path`, which encodes values. */
  path: (request: RequestOf<Identity>) => string
  /** Schema of the service's 2xx response. It may have more members, which are ignored. */
  upstreamResponse: UpstreamResponse
  /** Ends the request with the part's error if it fails. Default: false. */
  required?: boolean
  /** Milliseconds, within the deadline of the request. Default: none. */
  timeout?: number
  /** Value of the part if it fails. It must match `upstreamResponse`. */
  fallback?: NoInfer<Static<UpstreamResponse>>
  /** Default: none. */
  cache?: PartCache
  /** Passes a 401 of a required part to the client with its `WWW-Authenticate`. Otherwise it gets 502. Default: false. */
  passUnauthorized?: boolean
}

/**
 * Cache of a part's successful responses, in the memory of the process.
 *
 * ```ts
 * cache: { ttl: 60_000, shared: true }
 * ```
 */
export interface PartCache {
  /** Milliseconds for which a response is used. */
  ttl: number
  /** Responses kept at most. Default: 1,000. */
  max?: number
  /** Bytes of all responses at most. The least recently used are dropped. Default: 16 MiB. */
  maxBytes?: number
  /**
   * Uses one response for all consumers; for data that is the same for everybody. Otherwise each consumer has its own,
   * and requests without a consumer are not cached. Default: false.
   */
  shared?: boolean
}

/** Values that `toClient` gets: those of required parts and of parts with a fallback are never null. */
export type PartValues<Parts extends Record<string, Part<TSchema, never>>> = {
  [Name in keyof Parts]: Parts[Name] extends { required: true } | { fallback: NonNullable<unknown> }
    ? Static<Parts[Name]['upstreamResponse']>
    : Static<Parts[Name]['upstreamResponse']> | null
}
