import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify'
import fp from 'fastify-plugin'
import type { Static, TSchema } from 'typebox'
import { sendJson } from '../http/json/send.ts'
import { createFetcher, fetchParts } from '../proxy/composition-parts.ts'
import { markFallback } from '../proxy/fallback.ts'
import type { UpstreamName } from './upstreams.ts'

/**
 * Composition: several services' answers as one, for a front end that should have to ask once.
 *
 * ```ts
 * await app.register(compose)
 * app.compose({
 *   url: '/', response: Dashboard,
 *   parts: {
 *     user: { upstream: 'users', required: true, answer: User, path: request => path`/users/${request.user.sub}` },
 *     recentOrders: { upstream: 'orders', answer: Orders, path: …, timeout: 2_000 }
 *   },
 *   toClient: ({ user, recentOrders }) => ({ … })      // recentOrders may be null, and the compiler says so
 * })
 * ```
 *
 * All parts are fetched in parallel, under the exchange's deadline. If a required part fails, its error is the response
 * and the other parts are cancelled. An optional part that fails is null, unless it has a fallback. The response is still
 * 200; it names the part in the header `Sluice-Missing` or `Sluice-Fallback` (RFC 9651 lists) and may not be stored. If it
 * is an object, it names missing parts in `missing` too.
 */
export interface ComposeRoute<Parts extends Record<string, Part>, Response extends TSchema>
  extends Omit<RouteShorthandOptions, 'schema'> {
  url: string
  params?: TSchema
  querystring?: TSchema
  parts: Parts
  response: Response
  toClient(parts: PartValues<Parts>, request: FastifyRequest): Static<Response>
}

export interface Part<Answer extends TSchema = TSchema> {
  upstream: UpstreamName
  /** Path and query; see the `path` template of upstream/wire.ts. */
  path(request: FastifyRequest): string
  /** What the service must answer with a 2xx status. */
  answer: Answer
  required?: boolean
  /** Milliseconds, within the exchange's deadline. */
  timeout?: number
  /** Stands in for a part that failed, which then is not missing. Must be what `answer` says. */
  fallback?: NoInfer<Static<Answer>>
  cache?: PartCache
  /** True: a 401 of the service, if the part is required, reaches the client with its `WWW-Authenticate`. Otherwise it is 502. */
  passUnauthorized?: boolean
}

export interface PartCache {
  /** Milliseconds. */
  ttl: number
  /** Answers kept at most; 1,000 if not given. */
  max?: number
  /**
   * One answer for all consumers. Only for what is not theirs: otherwise each consumer has its own, and a caller
   * without a token none. */
  shared?: boolean
}

export type PartValues<Parts extends Record<string, Part>> = {
  [Name in keyof Parts]: Parts[Name] extends { required: true } | { fallback: NonNullable<unknown> }
    ? Static<Parts[Name]['answer']>
    : Static<Parts[Name]['answer']> | null
}

async function compose(fastify: FastifyInstance) {
  fastify.decorate('compose', function (
    this: FastifyInstance,
    route: ComposeRoute<Record<string, Part>, TSchema>
  ) {
    const { parts, response, toClient, params, querystring, ...options } = route
    const names = Object.keys(parts)
    const fetchers = Object.entries(parts).map(([name, part]) =>
      createFetcher(name, part, this.upstream(part.upstream))
    )
    const schema = {
      ...(params && { params }),
      ...(querystring && { querystring }),
      response: { '2xx': response }
    }

    const calls = Object.entries(parts).map(([part, { upstream, required = false, timeout }]) => ({
      pattern: 'compose' as const,
      upstream,
      part,
      required,
      timeout
    }))

    this.route({
      ...options,
      config: { ...options.config, calls },
      method: 'GET',
      schema,
      async handler(request, reply) {
        const { values, missing, replaced } = await fetchParts(fetchers, request)
        for (const name of names) if (replaced.has(name)) markFallback(reply, name)
        const answer = toClient(values as never, request)
        if (missing.size > 0)
          markMissing(
            reply,
            names.filter(name => missing.has(name))
          )
        return sendJson(reply, answer)
      }
    })
    return this
  } as never)
}

export default fp(compose, { name: 'sluice-compose', fastify: '5.x', dependencies: ['sluice-upstreams'] })

/** Adds `missing` to the serialized response: the schema need not have room for it, or be one of an object. */
function markMissing(reply: FastifyReply, missing: string[]): void {
  const serialize = reply.getSerializationFunction('2xx') as (value: unknown) => string
  reply
    .header('sluice-missing', missing.map(name => `"${name}"`).join(', '))
    .header('cache-control', 'no-store')
    .type('application/json; charset=utf-8')
    .serializer((answer: unknown) => {
      const text = serialize(withoutMissing(answer))
      if (!text.startsWith('{')) return text
      const members = text.slice(1, -1)
      return `{${members}${members === '' ? '' : ','}"missing":${JSON.stringify(missing)}}`
    })
}

/** Removes a member that `missing` would duplicate. */
function withoutMissing(answer: unknown): unknown {
  if (typeof answer !== 'object' || answer === null || !('missing' in answer)) return answer
  const { missing: _, ...others } = answer
  return others
}

declare module 'fastify' {
  interface FastifyInstance {
    compose<const Parts extends Record<string, Part>, Response extends TSchema>(
      route: ComposeRoute<Parts, Response>
    ): FastifyInstance
  }
}
