import type { FastifyReply } from 'fastify'
import type { Failure } from '../http/cause.ts'
import { DetachedExchange } from '../http/detached-exchange.ts'
import type { FallbackOptions } from '../schemas/options/upstreams.ts'
import type { Breaker } from './breaker-types.ts'
import type { UpstreamCallback, UpstreamRequest, UpstreamResponse } from './call-types.ts'
import { createUnavailable } from './errors.ts'

/**
 * Returns what answers calls that the breaker rejects: 503, or the fallback of the options. A client recognizes a fallback
 * by `Sluice-Fallback` (RFC 9651 list of the upstreams' names); it must not be stored.
 */
export function createRejection(
  name: string,
  breaker: Breaker,
  fallback: FallbackOptions | undefined
): (request: UpstreamRequest, callback: UpstreamCallback) => void {
  const failureNow = (): Failure => ({
    cause: 'breaker-open',
    upstream: name,
    ...(breaker.isForced && { detail: 'an operator holds it open' })
  })
  const unavailable = () => createUnavailable(breaker.retryAfter(), failureNow())
  if (fallback === undefined) return (_request, callback) => callback(unavailable())

  const { status: statusCode } = fallback
  const hasBody = statusCode !== 204 && statusCode !== 304
  const body = hasBody ? Buffer.from(JSON.stringify(fallback.body)) : undefined
  const headers = {
    ...(body && { 'content-type': 'application/json', 'content-length': String(body.length) }),
    ...fallback.headers,
    'cache-control': 'no-store'
  }
  return ({ exchange, method, upgrade }, callback) => {
    // A WebSocket handshake and a gRPC call have no fallback.
    if (upgrade !== undefined || exchange.isGrpc) return callback(unavailable())
    // A fallback may be an error too.
    exchange.responseFailure = failureNow()
    // The client does not get the response of a mirrored request.
    if (!(exchange instanceof DetachedExchange)) markFallback(exchange.reply, name)
    const response: UpstreamResponse = {
      statusCode,
      headers: { ...headers },
      body: method === 'HEAD' ? undefined : body,
      isFallback: true
    }
    callback(null, response)
  }
}

/** Tells the client that `name` is a fallback, and forbids caches to store the response. */
export function markFallback(reply: FastifyReply, name: string): void {
  const named = String(reply.getHeader('sluice-fallback') ?? '')
  reply.header('cache-control', 'no-store')
  if (!named.includes(`"${name}"`))
    reply.header('sluice-fallback', named === '' ? `"${name}"` : `${named}, "${name}"`)
}
