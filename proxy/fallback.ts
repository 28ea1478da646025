import type { FastifyReply } from 'fastify'
import { DetachedExchange } from '../http/detached-exchange.ts'
import type { FallbackOptions } from '../schemas/options/upstreams.ts'
import type { UpstreamCallback, UpstreamResponse } from './attempt.ts'
import type { Breaker } from './breaker.ts'
import { createUnavailable } from './errors.ts'
import type { UpstreamRequest } from './upstream-call.ts'

/**
 * What a call gets while the breaker refuses it: 503, or the fallback of the config, which the client can tell by
 * `Sluice-Fallback` (RFC 9651 list of the upstreams' names) and which is not to be stored.
 */
export function createRefusal(
  name: string,
  breaker: Breaker,
  fallback: FallbackOptions | undefined
): (request: UpstreamRequest, callback: UpstreamCallback) => void {
  if (fallback === undefined) return (_request, callback) => callback(createUnavailable(breaker.retryAfter()))

  const { status: statusCode } = fallback
  const hasBody = statusCode !== 204 && statusCode !== 304
  const body = hasBody ? Buffer.from(JSON.stringify(fallback.body)) : undefined
  const headers = {
    ...(body && { 'content-type': 'application/json', 'content-length': String(body.length) }),
    ...fallback.headers,
    'cache-control': 'no-store'
  }
  return ({ exchange, method, upgrade }, callback) => {
    // Nothing stands in for another protocol.
    if (upgrade !== undefined || exchange.isGrpc) return callback(createUnavailable(breaker.retryAfter()))
    // What a copy gets the client does not.
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
