import { type Readable, Transform } from 'node:stream'
import createError from '@fastify/error'
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { hasDotSegment, isSafeTarget } from '../http/path.ts'
import type { Headers } from '../proxy/attempt.ts'
import { UnsafePath } from '../proxy/errors.ts'
import { compileEdit, type EditDefinition } from '../proxy/header-modifier.ts'
import { dropPlainHsts, toClientHeaders, toUpstreamHeaders } from '../proxy/headers.ts'
import { ConfigError } from '../schemas/options/gateway.ts'
import { carried, type UpstreamName } from './upstreams.ts'

/**
 * Forwarding: the exchange goes to an upstream as it is, but for what HTTP says must stop at a gateway.
 *
 * ```ts
 * await app.register(forward)
 * app.forward({ method: 'GET', url: '/:id', upstream: 'products', prefix: '/products' })
 * ```
 *
 * `prefix` takes the place of the scope's own prefix; what follows it, query included, is sent as the client wrote it.
 * Bodies stream through unparsed, both ways, up to the route's `bodyLimit` (413). Paths that router and service could read differently (dot segments, also
 * encoded) are refused with 400.
 */
export interface ForwardRoute extends Omit<RouteOptions, 'handler'> {
  upstream: UpstreamName
  /** Put in the place of the scope's prefix. */
  prefix: string
  /** Declared changes of what is forwarded: see edit.ts. */
  edit?: EditDefinition
  /** Tells the service that trailers are welcome (`TE`). */
  trailers?: boolean
}

async function forward(fastify: FastifyInstance) {
  const streaming = new WeakMap<FastifyInstance, RouteOptions[]>()

  fastify.decorate(
    'forward',
    function (this: FastifyInstance, { upstream, prefix, edit, trailers = false, ...route }: ForwardRoute) {
      checkPrefix(prefix, `${route.method} ${this.prefix}${route.url}`)
      const service = this.upstream(upstream)
      const isAtRoot = service.bases.every(base => new URL(base).pathname === '/')
      const inner = () => service.bases.map(base => new URL(base + prefix))
      const edited =
        edit && compileEdit(edit, `${route.method} ${this.prefix}${route.url}`, route.url, inner, this.prefix)
      const own = this.prefix + (edited?.strip ?? '')
      const source = `http://${upstream}/`
      const options = {
        rewriteRequestHeaders: (request: FastifyRequest, headers: Record<string, unknown>) => {
          let path = prefix + remainder(request.raw.url as string, own)
          if (isAtRoot && !path.startsWith('/')) path = `/${path}`
          if (edited?.query !== undefined) path = edited.query(path)
          // What reply-from settled of the body; all else is made from the client's own headers.
          const length =
            request.body === undefined ? undefined : (headers['content-length'] as string | undefined)
          const outbound = toUpstreamHeaders(request, length)
          edited?.request?.(outbound)
          if (trailers) outbound.te = 'trailers'
          return { [carried]: { exchange: request.exchange, path, headers: outbound } }
        },
        rewriteHeaders: edited?.response ? toEdited(edited.response) : toClientHeaders,
        retryDelay: never
      } as never
      streamingRoutesOf(this).push({
        ...route,
        config: { ...route.config, calls: [{ pattern: 'forward', upstream }] },
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
        context.addContentTypeParser('*', limited)
        for (const route of added) context.route(route)
      })
    }
    return routes
  }
}

export default fp(forward, { name: 'sluice-forward', fastify: '5.x', dependencies: ['sluice-upstream'] })

const BodyTooLarge = createError('SLUICE_BODY_TOO_LARGE', 'The request body is too large', 413, Error, false)

/** The body as it comes, up to `bodyLimit`. Octets need only be counted where none have been announced. */
function limited(
  request: FastifyRequest,
  payload: Readable,
  done: (error: Error | null, body?: Readable) => void
): void {
  const limit = request.routeOptions.bodyLimit
  const length = request.headers['content-length']
  if (length === undefined) done(null, counted(payload, limit))
  else if (Number(length) > limit) done(new BodyTooLarge())
  else done(null, payload)
}

function counted(payload: Readable, limit: number): Readable {
  let size = 0
  const body = new Transform({
    transform(chunk, _encoding, pass) {
      size += chunk.length
      if (size > limit) pass(new BodyTooLarge())
      else pass(null, chunk)
    }
  })
  // Nobody may be reading it: its call waits for a place, or was refused.
  body.on('error', ignore)
  // Not by pipeline(), which would destroy the request, and with it the connection that the answer needs.
  payload.on('error', error => body.destroy(error))
  return payload.pipe(body)
}

function ignore(): void {}

function toEdited(edit: (headers: Headers) => void) {
  return (inbound: Headers, request: FastifyRequest) => {
    const headers = toClientHeaders(inbound, request)
    edit(headers)
    dropPlainHsts(headers, request)
    // Edits are for responses of the service. A fallback must not be stored, whatever they set.
    if (request.exchange.reply.hasHeader('sluice-fallback')) headers['cache-control'] = 'no-store'
    return headers
  }
}

/** Retries belong to the upstream; reply-from's are on unless told otherwise, and forget to drain what they discard. */
function never(): null {
  return null
}

/**
 * @throws ConfigError for a prefix that makes no valid path. `route`: name of the route in the fault.
 */
export function checkPrefix(prefix: unknown, route: string): void {
  const message =
    typeof prefix !== 'string'
      ? "is missing: a path such as /orders, or '' for nothing"
      : /^(\/[\w.~!$&'()*+,;=:@%/-]*)?$/.test(prefix) && !hasDotSegment(prefix)
        ? undefined
        : "must begin with a slash and be a path, such as /orders, or '' for nothing"
  if (message !== undefined) throw new ConfigError([{ path: `${route} /prefix`, message }])
}

/** The raw URL without `prefix`. The router matched a decoded path; what is sent is not decoded, so it must not differ. */
export function remainder(url: string, prefix: string): string {
  if (!url.startsWith(prefix) || !isSafeTarget(url)) throw new UnsafePath()
  return url.slice(prefix.length)
}

export { hasDotSegment }

declare module 'fastify' {
  interface FastifyInstance {
    forward(route: ForwardRoute): FastifyInstance
  }
}
