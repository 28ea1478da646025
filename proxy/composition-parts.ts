import type { FastifyRequest } from 'fastify'
import { Value } from 'typebox/value'
import { consumerOf } from '../auth/consumer.ts'
import { describeFailure, failureMembers } from '../http/failure-text.ts'
import { UnsafePath } from '../http/path.ts'
import { createProblem, type ProblemError } from '../http/problem.ts'
import type { Headers, UpstreamResponse } from './call-types.ts'
import type { Part } from './compose-route.ts'
import { replaceUnauthorized, UpstreamTimeout } from './errors.ts'
import { toComposedHeaders } from './headers.ts'
import { createPartCache } from './part-cache.ts'
import { createResponseReader } from './response-reader.ts'
import type { Upstream } from './upstream-types.ts'

/** A status below 500, so that no breaker counts it. */
const PartCancelled = createProblem('SLUICE_PART_CANCELLED', 'Another part failed', 499)

export interface PartsFetched {
  values: Record<string, unknown>
  /** Names of the parts that are null. */
  missing: Set<string>
  /** Names of the parts that are their fallback. */
  replaced: Set<string>
}

export interface Fetcher {
  name: string
  required: boolean
  /** Calls back once. Returns what cancels the fetch. */
  fetch(
    request: FastifyRequest,
    headers: Headers,
    callback: (error: Error | null, value?: unknown) => void
  ): (reason: Error) => void
  /** Value of an optional part that fails; undefined: null. */
  fallback: unknown
}

/**
 * Fetches all parts in parallel. Rejects with the error of the first required part that fails, or if the exchange ends,
 * and cancels the others.
 */
export function fetchParts(fetchers: Fetcher[], request: FastifyRequest): Promise<PartsFetched> {
  return new Promise((resolve, reject) => {
    const parts: PartsFetched = { values: {}, missing: new Set(), replaced: new Set() }
    const { values, missing, replaced } = parts
    const headers = toComposedHeaders(request)
    const { trace } = request.exchange
    let waiting = fetchers.length
    let failed = false
    const cancels: ((reason: Error) => void)[] = []
    for (const { name, required, fetch, fallback } of fetchers) {
      if (failed) return
      trace?.startPart(name)
      cancels.push(
        fetch(request, headers, (error, value) => {
          trace?.endPart(name, error)
          if (failed) return
          if (error !== null) {
            // An exchange that has ended needs no other parts. A path that cannot be sent is the request's fault, so the
            // part is not missing.
            if (required || request.exchange.abortReason !== undefined || error instanceof UnsafePath) {
              failed = true
              for (const cancel of cancels) cancel(new PartCancelled())
              return reject(request.exchange.isClientGone ? (request.exchange.abortReason ?? error) : error)
            }
            logMissing(request, name, error)
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

function logMissing(request: FastifyRequest, part: string, error: Error & Partial<ProblemError>): void {
  const { failure } = error
  const message = `part "${part}" is missing`
  if (failure === undefined) request.log.warn({ err: error, part }, message)
  else
    request.log.warn(
      { ...failureMembers(failure), part, err: error },
      `${describeFailure(failure)}; ${message}`
    )
}

/** @throws if the part's fallback does not match its `upstreamResponse` */
export function createFetcher(name: string, part: Part, upstream: Upstream): Fetcher {
  const {
    path,
    upstreamResponse,
    fallback,
    timeout,
    required = false,
    cache: caching,
    passUnauthorized
  } = part
  if (fallback !== undefined && !Value.Check(upstreamResponse, fallback))
    throw new Error(`part '${name}' has a fallback that does not match its upstreamResponse`)
  const read = createResponseReader(upstreamResponse, upstream.maxBody)
  // Keeps responses, not the values that are read from them: toClient may change those.
  const cache = caching && createPartCache(caching)

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
      if (cached !== undefined) {
        callback(null, read(cached))
        return noop
      }
      let timer: NodeJS.Timeout | undefined
      const call = upstream.request(
        { exchange: request.exchange, method: 'GET', path: target, headers, buffer: true, part: name },
        (error, response) => {
          clearTimeout(timer)
          if (error !== null) return callback(error)
          let value: unknown
          try {
            value = read(response as UpstreamResponse)
          } catch (error) {
            const own = replaceUnauthorized(error as ProblemError, passUnauthorized)
            response?.source?.blame(own)
            return callback(own)
          }
          if (key !== undefined && response?.isFallback !== true)
            cache?.set(key, { ...(response as UpstreamResponse), source: undefined })
          callback(null, value)
        }
      )
      if (timeout !== undefined && call !== undefined)
        timer = setTimeout(() => call.abort(new UpstreamTimeout()), timeout)
      return reason => call?.abort(reason)
    }
  }

  /** Undefined for responses that are not cached: without a consumer, unless the cache is shared. */
  function keyOf(request: FastifyRequest, target: string): string | undefined {
    if (caching === undefined) return undefined
    const shared = upstream.sideOf ? `${upstream.sideOf(request.exchange)} ${target}` : target
    if (caching.shared) return shared
    const consumer = consumerOf(request)
    return consumer === undefined ? undefined : `${consumer} ${shared}`
  }
}

function noop(): void {}
