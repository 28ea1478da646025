import { Readable } from 'node:stream'
import type { Exchange } from '../http/exchange.ts'
import type { Breaker, Permit } from './breaker-types.ts'
import type { UpstreamResponse } from './call-types.ts'

/** Milliseconds after which a half-open request that still streams has passed. */
const STREAM_PASSES = 1_000

/**
 * Returns the milliseconds until a response counts as a success before its end, or undefined. A response that may never end
 * is one at its headers, and becomes a failure if it breaks off later. The same applies to a half-open request that still
 * streams after `STREAM_PASSES`: most responses have ended by then, and a short gRPC response ends with its status.
 */
export function successDelay(
  { statusCode, headers, body }: UpstreamResponse,
  exchange: Exchange,
  breaker: Breaker,
  permit: Permit
): number | undefined {
  if (statusCode >= 400 || !(body instanceof Readable)) return undefined
  const isEndless = exchange.remaining === Number.POSITIVE_INFINITY
  const isEvents = String(headers['content-type']).startsWith('text/event-stream')
  if ((isEndless || isEvents) && !exchange.isGrpc) return 0
  return isEndless || breaker.isHalfOpenRequest(permit) ? STREAM_PASSES : undefined
}
