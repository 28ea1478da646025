import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Exchange, type ExchangeListener, IDLE_TIMEOUT } from '../http/exchange.ts'
import { IdleTimeout, Stopping } from '../http/exchange-errors.ts'
import { TimerQueue } from '../http/timer-queue.ts'
import { createTraces } from '../http/trace-context.ts'
import type { AttemptListener, AttemptListeners } from '../proxy/upstream-attempt.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import type { Input } from '../schemas/options/defaults.ts'
import { ExchangeOptions } from '../schemas/options/exchange.ts'

/**
 * Adds `request.exchange`, with one deadline for the request and everything it causes.
 *
 * When the deadline passes or the client disconnects, every upstream call of the exchange is aborted. A route sets its own
 * deadline in milliseconds with `config: { deadline }`. With `deadline: 0`, for event streams, it has none; it ends when no
 * byte was sent for `config: { idleTimeout }` (default 300,000 ms) or when the gateway stops.
 *
 * Access log, metrics and recorder listen with `fastify.onExchangeStart` and `fastify.onExchangeEnd`, and to the requests that
 * upstreams send with `fastify.onAttemptStart` and `fastify.onAttemptEnd`.
 */
async function exchange(fastify: FastifyInstance, options: Input<typeof ExchangeOptions>) {
  const { deadline, trace } = completeOptions(ExchangeOptions, options, 'exchange')
  const startListeners: ExchangeListener[] = []
  const endListeners: ExchangeListener[] = []
  const attemptListeners: AttemptListeners = { start: [], end: [] }
  const createTraceparent = createTraces(trace.sample)
  const streams = new Set<Exchange>()
  const timersByLength = new Map<number, TimerQueue>()

  fastify.decorateRequest('exchange')
  fastify.decorate('onExchangeStart', function (this: FastifyInstance, listener) {
    startListeners.push(guarded(this, within(this, listener)))
  })
  fastify.decorate('onExchangeEnd', function (this: FastifyInstance, listener) {
    endListeners.push(guarded(this, within(this, listener)))
  })
  fastify.decorate('attemptListeners', attemptListeners)
  fastify.decorate('onAttemptStart', function (this: FastifyInstance, listener) {
    attemptListeners.start.push(guarded(this, ofAttempts(this, listener)))
  })
  fastify.decorate('onAttemptEnd', function (this: FastifyInstance, listener) {
    attemptListeners.end.push(guarded(this, ofAttempts(this, listener)))
  })
  fastify.decorate('endStreams', spread => {
    let index = 0
    for (const stream of streams)
      setTimeout(() => stream.abort(new Stopping()), (index++ * spread) / streams.size)
  })

  fastify.addHook('onRequest', (request, reply, done) => {
    const { url, config } = request.routeOptions
    const timers = timersOf(config.deadline ?? deadline)
    const exchange = new Exchange(reply, url, config, timers, createTraceparent, endListeners)
    request.exchange = exchange
    if (config.deadline === 0) watchIdle(exchange, config.idleTimeout ?? IDLE_TIMEOUT)
    reply.header('x-request-id', request.id)
    for (const listener of startListeners) listener(exchange)
    done()
  })

  /** Returns a listener that is called for exchanges of `scope` only. */
  function within(scope: FastifyInstance, listener: ExchangeListener): ExchangeListener {
    if (scope === fastify) return listener
    return exchange => {
      if (isWithin(scope, exchange)) listener(exchange)
    }
  }

  function ofAttempts(scope: FastifyInstance, listener: AttemptListener): AttemptListener {
    if (scope === fastify) return listener
    return attempt => {
      if (isWithin(scope, attempt.exchange)) listener(attempt)
    }
  }

  /** Returns the queue of a deadline. There are as many as routes name deadlines. */
  function timersOf(ms: number): TimerQueue | undefined {
    if (ms === 0) return undefined
    let timers = timersByLength.get(ms)
    if (timers === undefined) {
      timers = new TimerQueue(ms)
      timersByLength.set(ms, timers)
    }
    return timers
  }

  /** Counts bytes in both directions: neither a silent service nor a client that does not read holds a stream. */
  function watchIdle(exchange: Exchange, idleTimeout: number): void {
    streams.add(exchange)
    const { raw } = exchange.reply
    raw.setTimeout(idleTimeout, () => exchange.abort(new IdleTimeout()))
    raw.once('close', () => streams.delete(exchange))
  }
}

/** Returns a listener that logs its errors: most are called by events, where an error would end the process. */
function guarded<Subject>({ log }: FastifyInstance, listener: (subject: Subject) => void) {
  return (subject: Subject): void => {
    try {
      listener(subject)
    } catch (error) {
      log.error({ err: error }, 'listener failed')
    }
  }
}

function isWithin(scope: FastifyInstance, { reply }: Exchange): boolean {
  const { server } = reply.request
  // Fastify creates each scope with its parent as prototype.
  return server === scope || Object.prototype.isPrototypeOf.call(scope, server)
}

export default fp(exchange, { name: 'sluice-exchange', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyInstance {
    /** Calls `listener` when an exchange of this scope starts; cheaper than an onRequest hook. */
    onExchangeStart(listener: ExchangeListener): void
    /** Calls `listener` when an exchange of this scope has ended, complete or aborted. */
    onExchangeEnd(listener: ExchangeListener): void
    /**
     * Calls `listener` before a request of this scope is sent to an endpoint. It may change the attempt's headers, and set
     * `onRequestData` and `onResponseData`.
     */
    onAttemptStart(listener: AttemptListener): void
    /** Calls `listener` once for each attempt that has started: when its response is complete, or it has failed. */
    onAttemptEnd(listener: AttemptListener): void
    /** Read by the plugin upstreams. */
    attemptListeners: AttemptListeners
    /**
     * Aborts the exchanges without a deadline, one after the other.
     * @param spread milliseconds over which they are spread
     */
    endStreams(spread: number): void
  }
  interface FastifyRequest {
    exchange: Exchange
  }
  interface FastifyContextConfig {
    /** Milliseconds for the whole exchange; 0: none. Default: that of the exchange plugin. */
    deadline?: number
    /** Name of the route's scope in the gateway's config, and of its version. */
    scope?: string
    version?: string
    /** Milliseconds without a byte after which a route without a deadline ends. Default: 300,000. */
    idleTimeout?: number
  }
}
