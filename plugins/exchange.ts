import createError from '@fastify/error'
import type { FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'

/**
 * One deadline an exchange, and one place from which everything it caused is cancelled.
 *
 * `request.exchange` stands from the route's own hooks on. It ends when the answer has been sent; when the deadline
 * passes or the client leaves before that, every upstream call that is attached to it is aborted. A route sets its own
 * deadline in milliseconds with `config: { deadline }`.
 */
export interface ExchangeOptions {
  /** Milliseconds from admission to the last byte of the answer. */
  deadline: number
}

/** What an exchange can cancel. */
export interface Abortable {
  abort(reason: Error): void
}

export const DeadlineExceeded = createError(
  'SLUICE_DEADLINE_EXCEEDED',
  'The service took too long to answer',
  504,
  Error,
  false
)
/** Never sent: there is nobody left to read it. */
export const ClientGone = createError('SLUICE_CLIENT_GONE', 'The client has gone', 499, Error, false)

export class Exchange {
  /** The route's pattern, for logs: bounded, where paths are not. */
  readonly route: string
  readonly reply: FastifyReply
  /** Why this exchange ended before its answer did. */
  reason: Error | undefined = undefined
  #calls: Abortable[] = []
  #timer: NodeJS.Timeout

  constructor(route: string, deadline: number, reply: FastifyReply) {
    this.route = route
    this.reply = reply
    this.#timer = setTimeout(expire, deadline, this)
    reply.raw.on('close', () => this.#end())
  }

  attach(call: Abortable): void {
    this.#calls.push(call)
  }

  detach(call: Abortable): void {
    const index = this.#calls.indexOf(call)
    if (index !== -1) this.#calls.splice(index, 1)
  }

  /** Aborts every call under way and every later one. The first reason stands. */
  abort(reason: Error): void {
    if (this.reason !== undefined) return
    this.reason = reason
    const calls = this.#calls
    this.#calls = []
    for (const call of calls) call.abort(reason)
  }

  /** True as soon as the socket knows, which is before `close` is emitted. */
  get clientGone(): boolean {
    const { raw } = this.reply.request
    return this.reason instanceof ClientGone || raw.aborted || raw.socket?.destroyed === true
  }

  #end(): void {
    clearTimeout(this.#timer)
    if (!this.reply.raw.writableFinished) this.abort(new ClientGone())
  }
}

function expire(exchange: Exchange): void {
  exchange.abort(new DeadlineExceeded())
}

async function exchange(fastify: FastifyInstance, options: ExchangeOptions) {
  fastify.decorateRequest('exchange')

  fastify.addHook('onRoute', route => {
    const { url } = route
    const deadline = route.config?.deadline ?? options.deadline
    route.onRequest = [
      (request, reply, done) => {
        request.exchange = new Exchange(url, deadline, reply)
        reply.header('x-request-id', request.id)
        done()
      },
      ...[route.onRequest ?? []].flat()
    ]
  })
}

export default fp(exchange, { name: 'sluice-exchange', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyRequest {
    exchange: Exchange
  }
  interface FastifyContextConfig {
    /** Milliseconds for the whole exchange, over the gateway's default. */
    deadline?: number
  }
}
