import type { FastifyReply } from 'fastify'
import { DeadlineExceeded, RequestTimeout } from './exchange-errors.ts'
import { isBodyLate } from './request-body.ts'

/**
 * Aborts an exchange at its deadline and responds: 408 while the rest of the request body is missing, 504 for a hook or a
 * handler. Upstream calls and other waits respond themselves when they are aborted. Destroys a response that the client does
 * not read.
 *
 * @param isWaiting true if a call or another wait is to be aborted
 * @param idleTimeout milliseconds without a byte after which a stream that has started is destroyed
 */
export function respondAtDeadline(
  exchange: { readonly reply: FastifyReply; abort(reason: Error): void },
  isWaiting: boolean,
  idleTimeout: number
): void {
  const { reply } = exchange
  const isLate = isBodyLate(reply.request.raw)
  const isEnded = reply.raw.writableEnded
  const reason = isLate ? new RequestTimeout() : new DeadlineExceeded()
  exchange.abort(reason)
  if (isEnded) return void reply.raw.destroy(reason)
  // A route's own stream may continue while the client reads it.
  if (reply.raw.headersSent && !isWaiting) reply.raw.setTimeout(idleTimeout, () => reply.raw.destroy(reason))
  if (reply.sent || reply.raw.headersSent || (isWaiting && !isLate)) return
  if (isLate) reply.header('connection', 'close')
  reply.send(reason)
}
