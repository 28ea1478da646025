import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { Exchange, type ExchangeListener, IDLE_TIMEOUT, IdleTimeout, Stopping } from '../http/exchange.ts'
import { Deadlines } from '../http/timer-queue.ts'
import { createTraces } from '../http/trace-context.ts'

/**
 * One deadline an exchange, and one place from which everything it caused is cancelled.
 *
 * `request.exchange` stands from the first hook on. It ends when the answer has been sent; when the deadline passes or
 * the client leaves before that, every upstream call that is attached to it is aborted. A route sets its own deadline in
 * milliseconds with `config: { deadline }`; with 0 it has none, for event streams and whatever else may take as long as it
 * likes, and ends once no byte has moved for `config: { idleTimeout }` (300,000), or when the gateway stops. What
 * `fastify.onExchangeEnd` is given is called with each exchange that has ended, be it whole or cut short.
 */
export interface ExchangeOptions {
  /** Milliseconds from the request's headers to the last byte of the response. Default: 10,000. */
  deadline?: number
  /** The share of new traces that are marked as sampled; 1 if not given. */
  sample?: number
}

export type BeginningListener = (request: FastifyRequest, reply: FastifyReply) => void

async function exchange(fastify: FastifyInstance, options: ExchangeOptions) {
  const beginnings: BeginningListener[] = []
  const listeners: ExchangeListener[] = []
  const begin = createTraces(options.sample ?? 1)
  const endless = new Set<Exchange>()
  const byLength = new Map<number, Deadlines>()
  fastify.decorateRequest('exchange')
  fastify.decorate('endStreams', spread => {
    let turn = 0
    for (const exchange of endless)
      setTimeout(() => exchange.abort(new Stopping()), (turn++ * spread) / endless.size)
  })
  fastify.decorate('onExchangeBegin', listener => void beginnings.push(listener))
  fastify.decorate('onExchangeEnd', listener => void listeners.push(listener))

  fastify.addHook('onRequest', (request, reply, done) => {
    const { url, config } = request.routeOptions
    const deadlines = deadlinesOf(config.deadline ?? options.deadline ?? 10_000)
    request.exchange = new Exchange(url, config, deadlines, reply, begin, listeners)
    if (config.deadline === 0) watch(request.exchange, config.idleTimeout ?? IDLE_TIMEOUT)
    reply.header('x-request-id', request.id)
    for (const listener of beginnings) listener(request, reply)
    done()
  })

  /** As many as the routes name. */
  function deadlinesOf(ms: number): Deadlines | undefined {
    if (ms === 0) return undefined
    let deadlines = byLength.get(ms)
    if (deadlines === undefined) {
      deadlines = new Deadlines(ms)
      byLength.set(ms, deadlines)
    }
    return deadlines
  }

  /** Bytes count in both directions: of a service that is silent, and of a client that does not read. */
  function watch(exchange: Exchange, idleTimeout: number): void {
    endless.add(exchange)
    const { raw } = exchange.reply
    raw.setTimeout(idleTimeout, () => exchange.abort(new IdleTimeout()))
    raw.once('close', () => endless.delete(exchange))
  }
}

export default fp(exchange, { name: 'sluice-exchange', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyInstance {
    /** Is called with each exchange once it stands: a hook in all but its price, which is that of going on to the next. */
    onExchangeBegin(listener: BeginningListener): void
    onExchangeEnd(listener: ExchangeListener): void
    /** Aborts the exchanges that have no deadline, one after the other. `spread`: milliseconds for all of them. */
    endStreams(spread: number): void
  }
  interface FastifyRequest {
    exchange: Exchange
  }
  interface FastifyContextConfig {
    /** Milliseconds for the whole exchange, over the gateway's default; 0: none. */
    deadline?: number
    /** Of the gateway's config: which scope the route is of, and which version of it. */
    scope?: string
    version?: string
    /** Milliseconds without a byte, for a route without a deadline. */
    idleTimeout?: number
  }
}
