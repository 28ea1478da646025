import type { RetryOptions, RetryReason } from '../schemas/options/upstreams.ts'
import type { Headers } from './call-types.ts'
import { UpstreamFailed, UpstreamTimeout } from './errors.ts'
import { createRetryBudget, type RetryBudget } from './retry-budget.ts'
import { isNotHttp } from './undici-internals.ts'

/**
 * Decides when a call is worth another attempt. RFC 9110, 9.2.2 says which methods may be repeated; the budget keeps a
 * service that is down from getting twice the calls that it cannot answer once.
 */
export interface RetryPolicy {
  readonly attempts: number
  readonly maxBody: number
  /** True if a request with this method may be sent again after it was sent. */
  repeats(method: string): boolean
  retries(reason: RetryReason): boolean
  /** Returns the milliseconds before retry number `retry` (from 1), or undefined if `retryAfter` is too long. */
  delay(retry: number, retryAfter?: string): number | undefined
  readonly budget: RetryBudget
}

/** Retries without the `retry` option: after a connection that failed, or broke before the response. */
export const DEFAULT_RETRY: RetryOptions = {
  attempts: 1,
  on: ['connect', 'reset'],
  methods: ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'],
  budget: { ratio: 0.2, floor: 3 },
  backoff: { base: 25, max: 250 },
  maxRetryAfter: 1_000,
  maxBody: 65_536
}

export function createRetryPolicy({
  attempts,
  on,
  methods,
  budget,
  backoff: { base, max },
  maxRetryAfter,
  maxBody
}: RetryOptions = DEFAULT_RETRY): RetryPolicy {
  const reasons = new Set(on)
  const repeatable = new Set<string>(methods)
  return {
    attempts,
    maxBody,
    repeats: method => repeatable.has(method),
    retries: reason => reasons.has(reason),
    delay(retry, retryAfter) {
      const jitter = Math.random() * Math.min(max, base * 2 ** (retry - 1))
      const asked = retryAfter === undefined ? 0 : millisecondsOf(retryAfter)
      return asked > maxRetryAfter ? undefined : Math.max(jitter, asked)
    },
    budget: createRetryBudget(budget)
  }
}

/** Codes of Node and undici for a connection that ended before the response, or within its headers. */
const LOST = new Set([
  'ECONNABORTED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'HTTP2_CONNECTION_LOST',
  'HTTP2_STREAM_RESET',
  'UND_ERR_INFO',
  'UND_ERR_SOCKET'
])

/** RFC 9113, 8.7: a request that was sent and not processed. */
const UNPROCESSED = new Set(['HTTP2_GONE_AWAY', 'HTTP2_STREAM_REFUSED'])

export function isUnprocessed({ cause }: Error): boolean {
  return UNPROCESSED.has(String((cause as NodeJS.ErrnoException | undefined)?.code))
}

/** Returns true if the service closed the connection before it reached the request; the endpoint is not at fault. */
export function isGoneAway({ cause }: Error): boolean {
  return (cause as NodeJS.ErrnoException | undefined)?.code === 'HTTP2_GONE_AWAY'
}

/** Returns why an attempt failed, or undefined if another one would fail too. */
export function retryReason(error: Error, wasSent: boolean): RetryReason | undefined {
  if (error instanceof UpstreamTimeout) return wasSent ? 'timeout' : 'connect'
  if (!(error instanceof UpstreamFailed)) return undefined
  const { code = '', message } = (error.cause ?? {}) as Partial<NodeJS.ErrnoException>
  if (!wasSent || isUnprocessed(error)) return 'connect'
  return LOST.has(code) && !isNotHttp(message) ? 'reset' : undefined
}

/** Returns the milliseconds of `Retry-After` (RFC 9110, 10.2.3): seconds or a date; 0 if it is invalid. */
export function millisecondsOf(retryAfter: string): number {
  if (/^\d{1,9}$/.test(retryAfter)) return Number(retryAfter) * 1000
  const date = Date.parse(retryAfter)
  return Number.isNaN(date) ? 0 : Math.max(0, date - Date.now())
}

export function retryAfterOf({ 'retry-after': value }: Headers): string | undefined {
  return typeof value === 'string' ? value : undefined
}
