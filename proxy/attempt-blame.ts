import type { Exchange } from '../http/exchange.ts'
import { DeadlineExceeded, IdleTimeout, Stopping } from '../http/exchange-errors.ts'
import { isBodyLate } from '../http/request-body.ts'
import type { Outcome } from './breaker-types.ts'
import { isLocalResourceExhaustion, isOrdered } from './errors.ts'
import type { ServiceTime } from './service-time.ts'

/** State of an attempt when it failed. */
export interface AttemptProgress {
  exchange: Exchange
  serviceTime: ServiceTime
  wasSent: boolean
  hasHeaders: boolean
  isStreaming: boolean
  /** The client does not take what has arrived. */
  isReaderSlow: boolean
  /** The request waited for one of the gateway's own connections. */
  isQueued: boolean
}

/**
 * Decides whether a failed attempt is the service's fault: `failure`, or `neutral` for the client's or the gateway's.
 * @param elapsed if a timer of the gateway has fired, its milliseconds; 0 if the service had all of them
 */
export function outcomeOfFailure(
  error: Error & { statusCode?: number },
  elapsed: number | undefined,
  progress: AttemptProgress
): Outcome {
  const { exchange, serviceTime, isReaderSlow } = progress
  const isNeutral =
    (error.statusCode ?? 500) < 500 ||
    error instanceof Stopping ||
    isLocalResourceExhaustion(error) ||
    isOrdered(error) ||
    (elapsed === undefined ? serviceTime.isHeldUp : isReaderSlow) ||
    (error.statusCode === 504 && elapsed !== undefined && !isServiceLate(error, elapsed, progress)) ||
    exchange.isClientGone
  return isNeutral ? 'neutral' : 'failure'
}

/** Returns false if a timeout is not the service's fault. */
function isServiceLate(error: Error, elapsed: number, progress: AttemptProgress): boolean {
  const { exchange, serviceTime, wasSent, hasHeaders, isStreaming, isQueued } = progress
  // The client has not sent all of the request.
  if (wasSent && !hasHeaders && isBodyLate(exchange.reply.request.raw)) return false
  // An event stream may be silent for as long as nothing happens.
  if (error instanceof IdleTimeout) return !isStreaming
  if (error instanceof DeadlineExceeded && exchange.isClientDeadline) return false
  if (!wasSent && isQueued) return false
  return serviceTime.isFairOf(elapsed)
}

/**
 * Returns the outcome of a complete response.
 * @param status of HTTP, or the one that stands for its gRPC status
 */
export function outcomeOfResponse(exchange: Exchange, status: number): Outcome {
  if (status < 400) return 'success'
  if (status < 500) return 'answered'
  // The service gave up at the client's own deadline, as it should.
  return status === 504 && exchange.isGrpc && exchange.isPastClientDeadline ? 'neutral' : 'failure'
}
