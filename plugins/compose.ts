import type { FastifyInstance, FastifyReply, FastifySchema, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import type { TSchema } from 'typebox'
import type { AuthenticatedInstance } from '../auth/authenticated.ts'
import type { User } from '../auth/user.ts'
import { jsonCompilers } from '../http/json/compilers.ts'
import { sendJson } from '../http/json/send.ts'
import { requirePlugin } from '../http/require-plugin.ts'
import type { RouteCall } from '../observe/route-metadata.ts'
import type { ComposeRoute, Part } from '../proxy/compose-route.ts'
import { createFetcher, fetchParts } from '../proxy/composition-parts.ts'
import { markFallback } from '../proxy/fallback.ts'
import { checkRoute, rejectOptions } from '../schemas/options/complete.ts'
import { ComposeOptions } from '../schemas/options/compose.ts'

/**
 * Answers one request with the responses of several services.
 *
 * ```ts
 * await app.register(compose)
 * app.compose({
 *   url: '/', response: Dashboard,
 *   parts: {
 *     user: { upstream: 'users', required: true, upstreamResponse: User, path: ({ user }) => path`/users/${user.sub}` },
 *     recentOrders: { upstream: 'orders', upstreamResponse: Orders, path: () => '/orders', timeout: 2_000 }
 *   },
 *   toClient: ({ user, recentOrders }) => ({ … })      // the compiler knows that recentOrders may be null
 * })
 * ```
 *
 * All parts are fetched in parallel, within the deadline of the request. If a required part fails, its error is the
 * response and the other parts are cancelled. An optional part that fails is null, or its fallback. The response is then
 * still 200 with `Cache-Control: no-store`. It names the part in the header `Sluice-Missing` or `Sluice-Fallback`, lists
 * by RFC 9651, and a missing one in the member `missing` too if it is an object.
 *
 * Needs `upstreams`. Its routes have compilers of their own, since Fastify's would round numbers; set `validatorCompiler`
 * or `serializerCompiler` in a route to use others.
 */
async function compose(fastify: FastifyInstance, options: object) {
  rejectOptions(options, 'compose')
  requirePlugin(fastify, 'upstreams', 'compose')
  if (fastify.hasDecorator('compose')) return
  fastify.decorate('compose', function (this: FastifyInstance, route: AnyComposeRoute) {
    this.route(toRoute(this, route))
    return this
  } as never)
}

type AnyComposeRoute = ComposeRoute<Record<string, Part>, TSchema>

/** @throws ConfigError for wrong options */
function toRoute(scope: FastifyInstance, route: AnyComposeRoute): RouteOptions {
  const routeName = `GET ${scope.prefix}${route.url}`
  checkRoute(ComposeOptions, route, routeName)
  const { parts, response, toClient, params, querystring, ...options } = route
  const names = Object.keys(parts)
  const fetchers = Object.entries(parts).map(([name, part]) =>
    createFetcher(name, part, scope.upstream(part.upstream, routeName))
  )
  const calls = Object.entries(parts).map(
    ([part, { upstream, required = false, timeout }]): RouteCall => ({
      pattern: 'compose',
      upstream,
      part,
      required,
      timeout
    })
  )
  return {
    ...jsonCompilers(scope),
    ...options,
    config: { ...options.config, calls },
    method: 'GET',
    schema: {
      ...(options.schema as FastifySchema),
      ...(params && { params }),
      ...(querystring && { querystring }),
      response: { '2xx': response }
    },
    async handler(request, reply) {
      const { values, missing, replaced } = await fetchParts(fetchers, request)
      for (const name of names) if (replaced.has(name)) markFallback(reply, name)
      const composed = toClient(values as never, request)
      if (missing.size > 0)
        markMissing(
          reply,
          names.filter(name => missing.has(name))
        )
      return sendJson(reply, composed)
    }
  }
}

/** Adds `missing` to the serialized response, so that its schema need not have it, or be of an object. */
function markMissing(reply: FastifyReply, missing: string[]): void {
  const serialize = reply.getSerializationFunction('2xx') as (value: unknown) => string
  reply
    .header('sluice-missing', missing.map(name => `"${name}"`).join(', '))
    .header('cache-control', 'no-store')
    .type('application/json; charset=utf-8')
    .serializer((response: unknown) => {
      const text = serialize(withoutMissing(response))
      if (!text.startsWith('{')) return text
      const members = text.slice(1, -1)
      return `{${members}${members === '' ? '' : ','}"missing":${JSON.stringify(missing)}}`
    })
}

/** Removes a member that `missing` would duplicate. */
function withoutMissing(response: unknown): unknown {
  if (typeof response !== 'object' || response === null || !('missing' in response)) return response
  const { missing: _, ...others } = response
  return others
}

export default fp(compose, { name: 'sluice-compose', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Adds a route that answers with the responses of several upstreams.
     * @throws ConfigError for wrong options, and an error if there is no such upstream
     */
    compose<const Parts extends Record<string, Part>, Response extends TSchema>(
      route: ComposeRoute<Parts, Response>
    ): FastifyInstance
  }
}

declare module '../auth/authenticated.ts' {
  interface AuthenticatedMethods<Provider> {
    compose<const Parts extends Record<string, Part<TSchema, User>>, Response extends TSchema>(
      route: ComposeRoute<Parts, Response, User>
    ): AuthenticatedInstance<Provider>
  }
}
