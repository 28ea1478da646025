import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { toClientHeaders, toUpstreamHeaders } from './headers.ts'
import { UnsafePath } from './upstream/errors.ts'
import { carried, type UpstreamName } from './upstream/index.ts'

/**
 * Forwarding: the exchange goes to an upstream as it is, but for what HTTP says must stop at a gateway.
 *
 * ```ts
 * await app.register(forward)
 * app.forward({ method: 'GET', url: '/:id', upstream: 'products', prefix: '/products' })
 * ```
 *
 * `prefix` takes the place of the scope's own prefix; what follows it, query included, is sent as the client wrote it.
 * Bodies stream through unparsed, both ways. Paths that router and service could read differently (dot segments, also
 * encoded) are refused with 400.
 */
export interface ForwardRoute extends Omit<RouteOptions, 'handler'> {
  upstream: UpstreamName
  /** Put in the place of the scope's prefix. */
  prefix: string
  /** Tells the service that trailers are welcome (`TE`). */
  trailers?: boolean
}

async function forward(fastify: FastifyInstance) {
  const streaming = new WeakMap<FastifyInstance, RouteOptions[]>()

  fastify.decorate(
    'forward',
    function (this: FastifyInstance, { upstream, prefix, trailers = false, ...route }: ForwardRoute) {
      this.upstream(upstream)
      const own = this.prefix
      const source = `http://${upstream}/`
      const options = {
        rewriteRequestHeaders: (request: FastifyRequest, headers: Record<string, unknown>) => {
          const path = prefix + remainder(request.raw.url as string, own)
          // What reply-from settled of the body; all else is made from the client's own headers.
          const length =
            request.body === undefined ? undefined : (headers['content-length'] as string | undefined)
          const outbound = toUpstreamHeaders(request, length)
          if (trailers) outbound.te = 'trailers'
          return { [carried]: { exchange: request.exchange, path, headers: outbound } }
        },
        rewriteHeaders: toClientHeaders,
        retryDelay: never
      } as never
      streamingRoutesOf(this).push({
        ...route,
        // Fastify's own HEAD route would answer with the length of no body.
        method: [
          ...new Set([route.method].flat().flatMap(method => (method === 'GET' ? ['GET', 'HEAD'] : method)))
        ],
        exposeHeadRoute: false,
        // Nothing is returned: a reply that is would be waited for, by listeners that cost as much as a header.
        handler(_request, reply) {
          reply.from(source, options)
        }
      })
      return this
    }
  )

  /** A scope's forwarding routes are in one context of their own: there bodies are streams, whatever is parsed around it. */
  function streamingRoutesOf(scope: FastifyInstance): RouteOptions[] {
    let routes = streaming.get(scope)
    if (routes === undefined) {
      const added: RouteOptions[] = []
      routes = added
      streaming.set(scope, added)
      scope.register(async context => {
        context.removeAllContentTypeParsers()
        context.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
        for (const route of added) context.route(route)
      })
    }
    return routes
  }
}

export default fp(forward, { name: 'sluice-forward', fastify: '5.x', dependencies: ['sluice-upstream'] })

/** Retries belong to the upstream; reply-from's are on unless told otherwise, and forget to drain what they discard. */
function never(): null {
  return null
}

/** The raw URL without `prefix`. The router matched a decoded path; what is sent is not decoded, so it must not differ. */
export function remainder(url: string, prefix: string): string {
  if (!url.startsWith(prefix)) throw new UnsafePath()
  const query = url.indexOf('?')
  if (hasDotSegment(query === -1 ? url : url.slice(0, query))) throw new UnsafePath()
  return url.slice(prefix.length)
}

/** RFC 3986, 5.2.4, after decoding the octets with which servers differ: `.`, `/` and `\`, also encoded twice. */
export function hasDotSegment(path: string): boolean {
  if (!path.includes('.') && !path.includes('%')) return false
  const plain = path
    .replace(/%(25)+/gi, '%')
    .replace(/%2e/gi, '.')
    .replace(/%2f|%5c|\\/gi, '/')
  return /(^|\/)\.{1,2}(;[^/]*)?(\/|$)/.test(plain)
}

declare module 'fastify' {
  interface FastifyInstance {
    forward(route: ForwardRoute): FastifyInstance
  }
}
