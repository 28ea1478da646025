import type { RetryOptions, RetryReason } from '../schemas/options/upstreams.ts'
import type { Headers } from './call-types.ts'
import { UpstreamFailed, UpstreamTimeout } from './errors.ts'

/**
 * When a call is worth another attempt, and how many of them an upstream is asked for: RFC 9110, 9.2.2 says which may
 * be sent twice, the budget keeps an upstream that is down from getting twice what it cannot do once.
 */
export interface RetryPolicy {
  readonly attempts: number
  readonly maxBody: number
  /** True if a request with this method may be sent again after it was sent. */
  repeats(method: string): boolean
  retries(reason: RetryReason): boolean
  /** Milliseconds before retry number `retry` (from 1), or undefined if the service asks for more than is waited for. */
  delay(retry: number, retryAfter?: string): number | undefined
  readonly budget: RetryBudget
}

/** Without being asked for more, only what is safe and cheap: a connection that failed, or broke before its answer. */
export const UNASKED: RetryOptions = {
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
}: RetryOptions = UNASKED): RetryPolicy {
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

export interface RetryBudget {
  /** A call has begun, at `now` (ms, as of `performance.now`). */
  call(now: number): void
  /** True if another attempt may be made, which then counts. */
  take(now: number): boolean
}

/** Calls and retries of about the last second: this one, and of the one before the part that is not over a second ago. */
export function createRetryBudget({ ratio, floor }: RetryOptions['budget']): RetryBudget {
  let second = 0
  let calls = 0
  let retries = 0
  let callsBefore = 0
  let retriesBefore = 0

  return {
    call(now) {
      turn(now)
      calls++
    },
    take(now) {
      turn(now)
      const rest = 1 - (now / 1000 - second)
      if (retries + retriesBefore * rest + 1 > Math.max(floor, ratio * (calls + callsBefore * rest)))
        return false
      retries++
      return true
    }
  }

  function turn(now: number): void {
    const current = Math.floor(now / 1000)
    if (current === second) return
    const isNext = current === second + 1
    callsBefore = isNext ? calls : 0
    retriesBefore = isNext ? retries : 0
    calls = retries = 0
    second = current
  }
}

/** Codes of node and undici: the connection has ended before an answer, or with a part of its head. */
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

/** True if the service closed the connection before it came to the request: no fault of an endpoint. */
export function isGoneAway({ cause }: Error): boolean {
  return (cause as NodeJS.ErrnoException | undefined)?.code === 'HTTP2_GONE_AWAY'
}

/** Why an attempt failed, as far as another one could do better; undefined if it could not. */
export function retryReason(error: Error, wasSent: boolean): RetryReason | undefined {
  if (error instanceof UpstreamTimeout) return wasSent ? 'timeout' : 'connect'
  if (!(error instanceof UpstreamFailed)) return undefined
  const { code = '', message } = (error.cause ?? {}) as Partial<NodeJS.ErrnoException>
  if (!wasSent || isUnprocessed(error)) return 'connect'
  // A service that speaks no HTTP will not learn it.
  return LOST.has(code) && message !== 'bad response' && message !== 'bad upgrade' ? 'reset' : undefined
}

/** `Retry-After` (RFC 9110, 10.2.3): seconds, or a date. What is neither asks for nothing. */
export function millisecondsOf(retryAfter: string): number {
  if (/^\d{1,9}$/.test(retryAfter)) return Number(retryAfter) * 1000
  const date = Date.parse(retryAfter)
  return Number.isNaN(date) ? 0 : Math.max(0, date - Date.now())
}

export function retryAfterOf({ 'retry-after': value }: Headers): string | undefined {
  return typeof value === 'string' ? value : undefined
}
