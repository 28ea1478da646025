import { constants, Http2ServerRequest } from 'node:http2'
import createError from '@fastify/error'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { BadFraming } from '../http/framing.ts'
import { isSameHost } from '../http/host.ts'

/**
 * HTTP/2 in front (RFC 9113), made to mean what HTTP/1.1 means to everything behind it. Registered with `listen.http2`
 * alone; requests over HTTP/1.1 pass through. Errors: 400 if `Host` says another authority than `:authority`; 431.
 */
export interface Http2PatternOptions {
  /** Milliseconds for a request's body to come, as node has it for HTTP/1.1. */
  requestTimeout: number
  /** Bytes of a head, as RFC 9113, 6.5.2, counts them. */
  maxHeaderSize: number
}

/** Milliseconds. */
const GRACE = 100

const AmbiguousHost = createError('SLUICE_AMBIGUOUS_HOST', 'The host is ambiguous', 400, Error, false)

const HeadTooLarge = createError(
  'SLUICE_HEAD_TOO_LARGE',
  'The header section is too large',
  431,
  Error,
  false
)

async function http2(fastify: FastifyInstance, { requestTimeout, maxHeaderSize }: Http2PatternOptions) {
  fastify.addHook('onRequest', (request, _reply, done) => {
    const raw = request.raw as unknown as Http2ServerRequest
    if (!(raw instanceof Http2ServerRequest)) return done()
    const { headers, stream } = raw
    const { host, ':authority': authority } = headers
    // Node keeps to its own settings once the client has said that it has them.
    if (stream.session?.pendingSettingsAck && sizeOf(raw.rawHeaders) > maxHeaderSize)
      return done(new HeadTooLarge())
    // RFC 9113, 8.3.1.
    if (host !== undefined && authority !== undefined && !isSameHost(host, authority, 'https'))
      return done(new AmbiguousHost())
    if (!stream.endAfterHeaders) {
      // Fastify takes a body of no type and no length for none: in HTTP/2 only the frames say that there is one.
      if (headers['content-length'] === undefined) headers['transfer-encoding'] = 'chunked'
      // Of a request that its client resets node makes one that has come to its end.
      raw.on('error', ignore)
      raw.once('aborted', cut)
      // A stream of messages may go on for as long as its route lets it.
      if (request.routeOptions.config.deadline !== 0) {
        const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), requestTimeout)
        raw.once('end', () => clearTimeout(timer))
        stream.once('close', () => clearTimeout(timer))
      }
      // An answer before the end of the request ends it (RFC 9113, 8.1), or nobody would read the rest.
      // Not at `finish`: that may come before the trailers have gone, and with them the end of the answer.
      stream.once('finish', () => {
        // An answer of no body has no trailers to wait for.
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
    refuseBody(raw, done)
  })
}

export default fp(http2, { name: 'sluice-http2', fastify: '5.x', dependencies: ['sluice-exchange'] })

function sizeOf(rawHeaders: string[]): number {
  let size = rawHeaders.length * 16
  for (const text of rawHeaders) size += text.length
  return size
}

/** Methods with which a body is refused, as over HTTP/1.1 (RFC 9110, 9.3.1, 9.3.2 and 9.3.8). */
const BODILESS = new Set(['GET', 'HEAD', 'TRACE'])

/** Calls back when the request has ended, or with an error when content arrives. An empty DATA frame is not content. */
function refuseBody(raw: Http2ServerRequest, done: (error?: Error) => void): void {
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

function cut(this: Http2ServerRequest): void {
  this.destroy(new Error('The request was cut short'))
}

function ignore(): void {}
