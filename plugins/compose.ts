import createError from '@fastify/error'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify'
import fp from 'fastify-plugin'
import { LruMap } from 'toad-cache'
import type { Static, TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { consumerOf } from './consumer.ts'
import { toComposedHeaders } from './headers.ts'
import { sendJson } from './json/send.ts'
import type { ProblemError } from './problem.ts'
import type { Headers, UpstreamResponse } from './upstream/call.ts'
import { refusalOf, UpstreamTimeout } from './upstream/errors.ts'
import { markFallback } from './upstream/fallback.ts'
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

interface CachedResponse {
  response: UpstreamResponse
  /** By `performance.now()`. */
  staleAt: number
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

export default fp(compose, { name: 'sluice-compose', fastify: '5.x', dependencies: ['sluice-upstream'] })

/** Below 500, so that no breaker counts it. */
const PartCancelled = createError('SLUICE_PART_CANCELLED', 'Another part has failed', 499, Error, false)

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

interface PartsFetched {
  values: Record<string, unknown>
  /** Names of the parts that are null, and of those that are their fallback. */
  missing: Set<string>
  replaced: Set<string>
}

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
  fallback: unknown
}

function fetchParts(fetchers: Fetcher[], request: FastifyRequest): Promise<PartsFetched> {
  return new Promise((resolve, reject) => {
    const parts: PartsFetched = { values: {}, missing: new Set(), replaced: new Set() }
    const { values, missing, replaced } = parts
    const headers = toComposedHeaders(request)
    let waiting = fetchers.length
    let failed = false
    const cancels: ((reason: Error) => void)[] = []
    for (const { name, required, fetch, fallback } of fetchers) {
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
            ;(fallback === undefined ? missing : replaced).add(name)
            // A copy: toClient may change what it is given.
            values[name] = fallback === undefined ? null : structuredClone(fallback)
          } else values[name] = value
          if (--waiting === 0) resolve(parts)
        })
      )
    }
  })
}

function createFetcher(name: string, part: Part, upstream: Upstream): Fetcher {
  const { path, answer, fallback, timeout, required = false, cache: caching, passUnauthorized } = part
  if (fallback !== undefined && !Value.Check(answer, fallback))
    throw new Error(`part '${name}' has a fallback that is not what its answer says`)
  const read = answerReader(answer, upstream.maxBody)
  // Responses, not what was read from them: toClient may change what it is given.
  // Times of its own: those of LruMap are by the wall clock, which may be set back.
  const cache = caching && new LruMap<CachedResponse>(caching.max ?? 1_000)

  return {
    name,
    required,
    fallback,
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
      if (cached !== undefined && performance.now() < cached.staleAt) {
        callback(null, read(cached.response))
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
          if (caching !== undefined && key !== undefined && response?.isFallback !== true)
            cache?.set(key, {
              response: response as UpstreamResponse,
              staleAt: caching.ttl > 0 ? performance.now() + caching.ttl : Number.POSITIVE_INFINITY
            })
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
