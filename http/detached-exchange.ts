import { Exchange } from './exchange.ts'
import { DeadlineExceeded } from './exchange-errors.ts'
import type { TimerQueue } from './timer-queue.ts'

/**
 * A call without a client, such as a mirrored request. It has its own deadline, since the exchange that caused it may end
 * long before.
 */
export class DetachedExchange extends Exchange {
  constructor(
    { reply, route, config, createTraceparent, isGrpc, span, trace }: Exchange,
    timers: TimerQueue
  ) {
    super(reply, route, config, timers, createTraceparent)
    this.isGrpc = isGrpc
    this.span = span
    this.trace = trace
  }

  override expire(): void {
    this.abort(new DeadlineExceeded())
  }

  override get isClientGone(): boolean {
    return false
  }
}
