import createError from '@fastify/error'
import type { FastifyInstance, FastifyRequest, RouteShorthandOptions } from 'fastify'
import fp from 'fastify-plugin'
import { LruMap } from 'toad-cache'
import Type, { type Static, type TSchema } from 'typebox'
import { consumerOf } from './consumer.ts'
import { toComposedHeaders } from './headers.ts'
import type { ProblemError } from './problem.ts'
import type { Headers, UpstreamResponse } from './upstream/call.ts'
import { refusalOf, UpstreamTimeout } from './upstream/errors.ts'
import type { UpstreamName } from './upstream/index.ts'
import type { Upstream } from './upstream/upstream.ts'
import { answerReader } from './upstream/wire.ts'

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
 * All parts are fetched in parallel, under the exchange's deadline. If a required part fails, its error is the answer
 * and the other parts are cancelled. An optional part that fails is null, unless it has a fallback; the answer then is
 * still 200, names the part in `missing` and in the header `Sluice-Missing` (RFC 9651 list), and is not to be stored.
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
  /** Stands in for a part that failed, which then is not missing. */
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
    const fetchers = Object.entries(parts).map(([name, part]) =>
      createFetcher(name, part, this.upstream(part.upstream))
    )
    const complete = response as TSchema & { properties: Record<string, TSchema> }
    const schema = {
      ...(params && { params }),
      ...(querystring && { querystring }),
      response: {
        '2xx': Type.Object({ ...complete.properties, missing: Type.Optional(Type.Array(Type.String())) })
      }
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
        const values = await fetchParts(fetchers, request)
        const missing = fetchers.filter(({ name }) => values[name] === MISSING).map(({ name }) => name)
        for (const name of missing) values[name] = null
        const answer = toClient(values as never, request) as Record<string, unknown>
        if (missing.length === 0) return answer
        reply
          .header('sluice-missing', missing.map(name => `"${name}"`).join(', '))
          .header('cache-control', 'no-store')
        return { ...answer, missing }
      }
    })
    return this
  } as never)
}

export default fp(compose, { name: 'sluice-compose', fastify: '5.x', dependencies: ['sluice-upstream'] })

/** Below 500, so that no breaker counts it. */
const PartCancelled = createError('SLUICE_PART_CANCELLED', 'Another part has failed', 499, Error, false)

const MISSING = Symbol('missing')

interface Fetcher {
  name: string
  required: boolean
  /** Calls back once. Returns what cancels the fetch. */
  fetch(
    request: FastifyRequest,
    headers: Headers,
    callback: (error: Error | null, value?: unknown) => void
  ): (reason: Error) => void
  /** What an optional part is when it fails. */
  otherwise: unknown
}

function fetchParts(fetchers: Fetcher[], request: FastifyRequest): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const values: Record<string, unknown> = {}
    const headers = toComposedHeaders(request)
    let waiting = fetchers.length
    let failed = false
    const cancels: ((reason: Error) => void)[] = []
    for (const { name, required, fetch, otherwise } of fetchers) {
      if (failed) return
      cancels.push(
        fetch(request, headers, (error, value) => {
          if (failed) return
          if (error !== null) {
            // A client that left, or a deadline, ends the whole exchange; nothing stands in for it.
            if (required || request.exchange.reason !== undefined) {
              failed = true
              for (const cancel of cancels) cancel(new PartCancelled())
              return reject(request.exchange.clientGone ? (request.exchange.reason ?? error) : error)
            }
            request.log.warn({ err: error, part: name }, 'part is missing')
            values[name] = otherwise
          } else values[name] = value
          if (--waiting === 0) resolve(values)
        })
      )
    }
  })
}

function createFetcher(name: string, part: Part, upstream: Upstream): Fetcher {
  const { path, answer, timeout, required = false, cache: caching, passUnauthorized } = part
  const read = answerReader(answer)
  const cache = caching && new LruMap<unknown>(caching.max ?? 1_000, caching.ttl)

  return {
    name,
    required,
    otherwise: part.fallback === undefined ? MISSING : part.fallback,
    fetch(request, headers, callback) {
      let target: string
      try {
        target = path(request)
      } catch (error) {
        callback(error as Error)
        return noop
      }
      const key = keyOf(request, target)
      const cached = key === undefined ? undefined : cache?.get(key)
      if (cached !== undefined) {
        callback(null, cached)
        return noop
      }
      let timer: NodeJS.Timeout | undefined
      const call = upstream.request(
        { exchange: request.exchange, method: 'GET', path: target, headers, collect: true },
        (error, response) => {
          clearTimeout(timer)
          if (error !== null) return callback(error)
          let value: unknown
          try {
            value = read(response as UpstreamResponse)
          } catch (error) {
            return callback(refusalOf(error as ProblemError, passUnauthorized))
          }
          if (key !== undefined && response?.isFallback !== true) cache?.set(key, value)
          callback(null, value)
        }
      )
      if (timeout !== undefined && call !== undefined)
        timer = setTimeout(() => call.abort(new UpstreamTimeout()), timeout)
      return reason => call?.abort(reason)
    }
  }

  /** Undefined for what is nobody's to keep: of a caller who is not known, and not said to be for all. */
  function keyOf(request: FastifyRequest, target: string): string | undefined {
    if (caching === undefined) return undefined
    const answer = upstream.sideOf ? `${upstream.sideOf(request.exchange)} ${target}` : target
    if (caching.shared) return answer
    const consumer = consumerOf(request)
    return consumer === undefined ? undefined : `${consumer} ${answer}`
  }
}

function noop(): void {}

declare module 'fastify' {
  interface FastifyInstance {
    compose<const Parts extends Record<string, Part>, Response extends TSchema>(
      route: ComposeRoute<Parts, Response>
    ): FastifyInstance
  }
}
