import type { IncomingMessage, ServerResponse } from 'node:http'
import createError from '@fastify/error'
import type { FastifyInstance } from 'fastify'
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
  /** Why this exchange ended before its answer did. */
  reason: Error | undefined
  #calls: Abortable[] = []
  #timer: NodeJS.Timeout
  #raw: IncomingMessage | undefined

  constructor(deadline: number, raw?: IncomingMessage, response?: ServerResponse) {
    this.#raw = raw
    this.#timer = setTimeout(expire, deadline, this)
    response?.on('close', () => {
      this.end()
      if (!response.writableFinished) this.abort(new ClientGone())
    })
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

  end(): void {
    clearTimeout(this.#timer)
  }

  /** True as soon as the socket knows, which is before `close` is emitted. */
  get clientGone(): boolean {
    const raw = this.#raw
    return (
      this.reason instanceof ClientGone ||
      (raw !== undefined && (raw.aborted || raw.socket?.destroyed === true))
    )
  }
}

function expire(exchange: Exchange): void {
  exchange.abort(new DeadlineExceeded())
}

async function exchange(fastify: FastifyInstance, options: ExchangeOptions) {
  fastify.decorateRequest('exchange')

  fastify.addHook('onRoute', route => {
    const deadline = route.config?.deadline ?? options.deadline
    route.onRequest = [
      (request, reply, done) => {
        request.exchange = new Exchange(deadline, request.raw, reply.raw)
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
