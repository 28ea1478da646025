import { constants, Http2ServerRequest } from 'node:http2'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { BadFraming } from '../http/framing.ts'
import { isSameHost } from '../http/host.ts'
import { createProblem } from '../http/problem.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import type { Input } from '../schemas/options/defaults.ts'
import { Http2PluginOptions } from '../schemas/options/http.ts'

/** ms for a client to read an early response before its unread request body is cancelled. */
const GRACE = 100

const AmbiguousHost = createProblem('SLUICE_AMBIGUOUS_HOST', 'Host and :authority differ', 400)
const HeadersTooLarge = createProblem('SLUICE_HEADERS_TOO_LARGE', 'The request headers are too large', 431)

/**
 * Makes HTTP/2 requests (RFC 9113) mean the same as HTTP/1.1 requests to all other plugins and routes. HTTP/1.1 requests
 * pass unchanged. Rejects requests whose `Host` differs from `:authority` (400) and headers over `maxHeaderSize` (431).
 *
 * ```ts
 * const app = Fastify(serverOptions({ tls: { cert, key }, http2: true }))
 * await app.register(http2)
 * ```
 */
async function http2(fastify: FastifyInstance, options: Input<typeof Http2PluginOptions> | undefined) {
  const { requestTimeout, maxHeaderSize } = completeOptions(Http2PluginOptions, options ?? {}, 'http2')
  fastify.addHook('onRequest', (request, _reply, done) => {
    const raw = request.raw as unknown as Http2ServerRequest
    if (!(raw instanceof Http2ServerRequest)) return done()
    const { headers, stream } = raw
    const { host, ':authority': authority } = headers
    // Until the client acknowledges the settings, nghttp2 does not enforce the header limit.
    if (stream.session?.pendingSettingsAck && sizeOf(raw.rawHeaders) > maxHeaderSize)
      return done(new HeadersTooLarge())
    // RFC 9113, 8.3.1.
    if (host !== undefined && authority !== undefined && !isSameHost(host, authority, 'https'))
      return done(new AmbiguousHost())
    if (!stream.endAfterHeaders) {
      // Without type and length Fastify assumes an empty body; in HTTP/2 only the frames tell.
      if (headers['content-length'] === undefined) headers['transfer-encoding'] = 'chunked'
      // Node ends the request stream normally when the client resets it.
      raw.on('error', ignore)
      raw.once('aborted', abort)
      // Routes without a deadline may stream messages for as long as they like.
      if (request.routeOptions.config.deadline !== 0) {
        const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), requestTimeout)
        raw.once('end', () => clearTimeout(timer))
        stream.once('close', () => clearTimeout(timer))
      }
      // Cancel the rest of a request that was answered early (RFC 9113, 8.1): nobody reads it.
      // Not at `finish`, which may come before the trailers and the end of the response were sent.
      stream.once('finish', () => {
        // A response without a body has no trailers to wait for.
        if (!raw.readableEnded && stream.sentTrailers === undefined)
          setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), GRACE).unref()
      })
      stream.once('wantTrailers', () =>
        setImmediate(() => {
          if (!raw.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR)
        })
      )
    }
    if (stream.endAfterHeaders || !BODILESS.has(raw.method)) return done()
    rejectBody(raw, done)
  })
}

function sizeOf(rawHeaders: string[]): number {
  let size = rawHeaders.length * 16
  for (const text of rawHeaders) size += text.length
  return size
}

/** Methods that reject a body, as over HTTP/1.1 (RFC 9110, 9.3.1, 9.3.2 and 9.3.8). */
const BODILESS = new Set(['GET', 'HEAD', 'TRACE'])

/** Calls back when the request has ended, or with an error when content arrives. An empty DATA frame is not content. */
function rejectBody(raw: Http2ServerRequest, done: (error?: Error) => void): void {
  const onEnd = () => {
    delete raw.headers['transfer-encoding']
    done()
  }
  raw.once('data', () => {
    raw.off('end', onEnd).pause()
    done(new BadFraming())
  })
  raw.once('end', onEnd)
}

function abort(this: Http2ServerRequest): void {
  this.destroy(new Error('The client aborted the request'))
}

function ignore(): void {}

export default fp(http2, { name: 'sluice-http2', fastify: '5.x' })
