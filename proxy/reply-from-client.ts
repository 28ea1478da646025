import replyFrom from '@fastify/reply-from'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Exchange } from '../http/exchange.ts'
import { ClientClosedRequest } from '../http/exchange-errors.ts'
import type { Headers, UpstreamCallback, UpstreamRequest, UpstreamResponse } from './call-types.ts'
import { toSendable } from './forwarded-response.ts'
import { dropPassedHeadersOnError, notePassedHeaders } from './passed-headers.ts'
import type { Upstream } from './upstream-types.ts'

/**
 * Everything about @fastify/reply-from: an upstream stands in for its undici client.
 *
 * Its retries are off, because upstreams retry and reply-from does not drain the responses that it discards. Its URL is
 * constant, so it is always cached (docs/decisions/0003). What it cannot carry is passed on its headers under a symbol.
 */
const call = Symbol('sluice.call')

interface ForwardedCall {
  upstream: Upstream
  exchange: Exchange
  /** Path and query as they are sent. */
  path: string
  headers: Headers
}

interface ReplyFromRequest extends Omit<UpstreamRequest, 'exchange' | 'headers'> {
  headers: { [call]: ForwardedCall }
}

const SOURCE = 'http://upstream/'

const client = {
  request({ method, body, headers }: ReplyFromRequest, callback: UpstreamCallback) {
    const { upstream, exchange, path, headers: own } = headers[call]
    const { reply } = exchange
    upstream.request({ exchange, method, path, headers: own, body }, (error, response) => {
      // reply-from destroys the body once the client has gone, and a Buffer cannot be destroyed.
      if (error === null && !exchange.isClientGone) {
        try {
          return callback(null, toSendable(response as UpstreamResponse, reply))
        } catch (thrown) {
          // undici's parser, which runs this, would swallow the error.
          return reply.send(thrown)
        }
      }
      // reply-from would wrap the error and log it again. A connection with an unread request body cannot be reused.
      if (reply.request.body !== undefined && !reply.request.raw.complete) reply.header('connection', 'close')
      reply.send(error ?? new ClientClosedRequest())
    })
  }
}

/** Registers reply-from in `scope`, for `sendFrom`. */
export async function registerReplyFrom(scope: FastifyInstance): Promise<void> {
  if (scope.hasReplyDecorator('from'))
    throw new Error(
      'forward needs @fastify/reply-from for itself: register your own in a scope without forward'
    )
  dropPassedHeadersOnError(scope)
  await scope.register(replyFrom, {
    undici: client as never,
    disableRequestLogging: true,
    // Cheaper than a `retryDelay`, which gets an object for each response.
    retryMethods: []
  })
}

export interface SendFromOptions {
  upstream: Upstream
  /**
   * Returns path and headers of the request to the service.
   * @param contentLength of the body, if it has one
   */
  toRequest(request: FastifyRequest, contentLength: string | undefined): { path: string; headers: Headers }
  toClientHeaders(headers: Headers, request: FastifyRequest): Headers
}

/** Returns a function that answers a request with the response of a service. */
export function createSendFrom({
  upstream,
  toRequest,
  toClientHeaders
}: SendFromOptions): (reply: FastifyReply) => void {
  const options = {
    rewriteRequestHeaders(request: FastifyRequest, headers: Record<string, unknown>) {
      const length =
        request.body === undefined ? undefined : (headers['content-length'] as string | undefined)
      return { [call]: { upstream, exchange: request.exchange, ...toRequest(request, length) } }
    },
    rewriteHeaders(inbound: Headers, request: FastifyRequest) {
      const headers = toClientHeaders(inbound, request)
      notePassedHeaders(request.exchange.reply, headers)
      return headers
    }
  } as never
  return reply => void reply.from(SOURCE, options)
}
