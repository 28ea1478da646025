import { Readable } from 'node:stream'
import { DetachedExchange } from '../http/detached-exchange.ts'
import type { Exchange } from '../http/exchange.ts'
import { createProblem } from '../http/problem.ts'
import { TimerQueue } from '../http/timer-queue.ts'
import type { MirrorOptions } from '../schemas/options/upstreams.ts'
import { Replay } from './replay.ts'
import type { MirrorCounts, Upstream } from './upstream-types.ts'

/**
 * Mirrors the calls of an upstream to another one, after the real call has its response, so that clients never wait. Mirrored
 * requests have their own deadline and policies. Their responses are dropped and their outcomes counted. The header
 * `Sluice-Mirror`, which clients cannot set, marks them.
 */
export function mirrorUpstream(
  upstream: Upstream,
  { ratio, maxBody, concurrency, deadline }: MirrorOptions,
  target: Upstream
): Upstream {
  const counts: MirrorCounts = { sent: 0, dropped: 0, failed: 0 }
  const deadlines = new TimerQueue(deadline)
  let inFlight = 0

  return {
    ...upstream,
    request(request, callback) {
      // A handshake is useless without its connection.
      const isCopied = request.upgrade === undefined && (ratio === 1 || Math.random() < ratio)
      if (!isCopied) return upstream.request(request, callback)
      if (inFlight >= concurrency) {
        counts.dropped++
        return upstream.request(request, callback)
      }
      inFlight++
      const { exchange, method, path, headers, body } = request
      const replay = body instanceof Readable ? new Replay(body, maxBody) : undefined
      return upstream.request({ ...request, body: replay?.open() ?? body }, (error, response) => {
        const isMade = error === null ? response?.isFallback !== true : !isRejected(error, exchange)
        const copied = !isMade ? undefined : body instanceof Readable ? replay?.whole : (body ?? null)
        if (copied === undefined) {
          inFlight--
          counts.dropped++
        } else setImmediate(send, copied)
        callback(error, response)
      })

      function send(body: string | Buffer | null): void {
        counts.sent++
        const detached = new DetachedExchange(exchange, deadlines)
        target.request(
          {
            exchange: detached,
            method,
            path,
            headers: { ...headers, 'sluice-mirror': `"${upstream.name}"` },
            body
          },
          (error, response) => {
            inFlight--
            if (error !== null || (response?.statusCode ?? 0) >= 500) counts.failed++
            // Stops streams; small responses are already complete.
            if (response?.body instanceof Readable)
              response.body.on('error', () => {}).destroy(new NotWanted())
            detached.stopTimer()
          }
        )
      }
    },
    state: () => ({ ...upstream.state(), mirror: { ...counts } })
  }
}

/** Calls that were not sent, or were cancelled, are not mirrored. */
function isRejected(
  { code = '' }: Error & { code?: string },
  { abortReason, isClientGone }: Exchange
): boolean {
  return REJECTIONS.includes(code) || abortReason !== undefined || isClientGone
}

const REJECTIONS = ['SLUICE_UPSTREAM_UNAVAILABLE', 'SLUICE_UPSTREAM_OVERLOADED']

/** Below 500, so that breakers do not count it. */
const NotWanted = createProblem('SLUICE_MIRRORED', 'A copy, whose answer nobody reads', 499)
