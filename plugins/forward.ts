import type { FastifyInstance, FastifyRequest, RouteGenericInterface, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import type { AuthenticatedInstance, WithAuthenticatedHooks } from '../auth/authenticated.ts'
import { requirePlugin } from '../http/require-plugin.ts'
import type { RouteForwarding } from '../observe/route-metadata.ts'
import type { Headers } from '../proxy/call-types.ts'
import { streamBody } from '../proxy/forwarded-body.ts'
import { checkPrefixes, remainderOf } from '../proxy/forwarded-path.ts'
import { compileEdit, type EditDefinition } from '../proxy/header-modifier.ts'
import { dropPlainHsts, toClientHeaders, toUpstreamHeaders } from '../proxy/headers.ts'
import { createSendFrom, registerReplyFrom } from '../proxy/reply-from-client.ts'
import type { UpstreamName } from '../schemas/options/upstream-name.ts'

/**
 * Forwards requests to an upstream, with the headers that may pass a gateway. Bodies stream in both directions and are
 * not parsed.
 *
 * ```ts
 * await app.register(forward)
 * app.forward({ method: 'GET', url: '/:id', upstream: 'products', prefix: '/products' })
 * ```
 *
 * `prefix` replaces the scope's own prefix. What follows that is sent byte for byte, with the query. Paths that router
 * and service could read differently are rejected with 400, bodies beyond the route's `bodyLimit` with 413.
 */
export interface ForwardRoute extends Omit<RouteOptions, 'handler'> {
  upstream: UpstreamName
  /** Replaces the scope's prefix: a path such as `/orders`, or `''`. */
  prefix: string
  /** Changes to headers, query and path (schemas/options/header-modifier.ts). */
  edit?: EditDefinition
  /** Sends `TE: trailers` to the service. Default: false. */
  trailers?: boolean
  /** Path of the service's OpenAPI document, in YAML or JSON. Default: the upstream's. */
  openapi?: string
}

async function forward(fastify: FastifyInstance) {
  requirePlugin(fastify, 'upstreams', 'forward')
  if (fastify.hasDecorator('forward')) return
  const routesOf = new WeakMap<FastifyInstance, RouteOptions[]>()

  fastify.decorate('forward', function (this: FastifyInstance, route: ForwardRoute) {
    streamingRoutesOf(this).push(toRoute(this, route))
    return this
  })

  /** Returns the forwarding routes of a scope. They have a context of their own, where bodies are not parsed. */
  function streamingRoutesOf(scope: FastifyInstance): RouteOptions[] {
    let routes = routesOf.get(scope)
    if (routes === undefined) {
      const added: RouteOptions[] = []
      routes = added
      routesOf.set(scope, added)
      scope.register(async context => {
        context.removeAllContentTypeParsers()
        context.addContentTypeParser('*', streamBody)
        await registerReplyFrom(context)
        for (const route of added) context.route(route)
      })
    }
    return routes
  }
}

function toRoute(
  scope: FastifyInstance,
  { upstream: name, prefix, edit: definition, trailers = false, openapi, ...route }: ForwardRoute
): RouteOptions {
  const routeName = `${route.method} ${scope.prefix}${route.url}`
  checkPrefixes(prefix, scope, routeName)
  const upstream = scope.upstream(name, routeName)
  const bases = () => upstream.bases.map(base => new URL(base + prefix))
  const edit = definition && compileEdit(definition, routeName, route.url, bases, scope.prefix)
  const isAtRoot = upstream.bases.every(base => new URL(base).pathname === '/')
  const stripped = scope.prefix + (edit?.strip ?? '')

  const sendFrom = createSendFrom({
    upstream,
    toRequest(request, contentLength) {
      let path = prefix + remainderOf(request.raw.url as string, stripped)
      if (isAtRoot && !path.startsWith('/')) path = `/${path}`
      if (edit?.query !== undefined) path = edit.query(path)
      const headers = toUpstreamHeaders(request, contentLength)
      edit?.request?.(headers)
      if (trailers) headers.te = 'trailers'
      return { path, headers }
    },
    toClientHeaders: edit?.response ? toEditedHeaders(edit.response) : toClientHeaders
  })

  const forwarding: RouteForwarding = {
    upstream: name,
    prefix,
    stripped,
    bases: () => upstream.bases,
    document: openapi
  }
  return {
    ...route,
    config: { ...route.config, calls: [{ pattern: 'forward', upstream: name }], forwarding },
    // Fastify's own HEAD route would answer with the length of an empty body.
    method: [
      ...new Set([route.method].flat().flatMap(method => (method === 'GET' ? ['GET', 'HEAD'] : method)))
    ],
    exposeHeadRoute: false,
    // Fastify waits for a reply that a handler returns, with listeners that cost as much as a header.
    handler(_request, reply) {
      sendFrom(reply)
    }
  }
}

function toEditedHeaders(edit: (headers: Headers) => void) {
  return (inbound: Headers, request: FastifyRequest) => {
    const headers = toClientHeaders(inbound, request)
    edit(headers)
    dropPlainHsts(headers, request)
    // Edits are for the service's responses. They must not make a fallback storable.
    if (request.exchange.reply.hasHeader('sluice-fallback')) headers['cache-control'] = 'no-store'
    return headers
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    forward(route: ForwardRoute): FastifyInstance
  }
}

declare module '../auth/authenticated.ts' {
  interface AuthenticatedMethods<Provider> {
    forward<Route extends RouteGenericInterface = RouteGenericInterface>(
      route: WithAuthenticatedHooks<ForwardRoute, Route>
    ): AuthenticatedInstance<Provider>
  }
}

export default fp(forward, { name: 'sluice-forward', fastify: '5.x' })
