import type { Server, ServerOptions } from 'node:http'
import { createSecureServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { createServer } from 'node:https'
import type { FastifyServerFactory, FastifyServerOptions } from 'fastify'
import { RecordedHttp2Response } from '../observe/recorder/response.ts'
import type { HttpOptions } from '../schemas/options/http.ts'
import type { Http2Options, ListenOptions } from '../schemas/options/listen.ts'
import { readCertificates } from './certificates.ts'
import { rejectUnknownMethods } from './http2-methods.ts'
import { Http2Response } from './http2-response.ts'

/**
 * The server under the gateway: nothing of its own without `tls` (Fastify's is right), else https, with HTTP/2 beside
 * HTTP/1.1 if asked for. HTTP/1.1 is configured as Fastify would have.
 * @throws if the certificate's files cannot be read.
 */
export function listenerOptions(
  { tls, http2 }: Pick<ListenOptions, 'tls' | 'http2'>,
  { maxHeaderSize, maxHeadersCount }: HttpOptions,
  isRecorded: boolean
): FastifyServerOptions {
  if (tls === undefined) return {}
  const certificates = { ...readCertificates(tls), handshakeTimeout: HANDSHAKE_TIMEOUT }
  const serverFactory: FastifyServerFactory = (handler, options) => {
    const http1: ServerOptions = {
      ...(options.http as ServerOptions),
      keepAliveTimeout: options.keepAliveTimeout as number,
      requestTimeout: options.requestTimeout as number
    }
    const server =
      http2 === false
        ? createServer({ ...certificates, ...http1 }, handler as never)
        : createHttp2Server(
            { ...certificates, maxHeaderListPairs: maxHeadersCount },
            http1,
            isRecorded ? RecordedHttp2Response : Http2Response,
            { maxHeaderListSize: maxHeaderSize, ...(http2 === true ? HTTP2_DEFAULTS : http2) },
            rejectUnknownMethods(handler as never) as never
          )
    server.setTimeout(options.connectionTimeout as number)
    if (Number(options.maxRequestsPerSocket) > 0)
      server.maxRequestsPerSocket = options.maxRequestsPerSocket as number
    return server as never
  }
  // `https` is how Fastify knows which scheme it says that it listens on.
  return { serverFactory, https: {} } as never
}

/** Milliseconds to get through TLS. */
const HANDSHAKE_TIMEOUT = 10_000
const HTTP2_DEFAULTS: Http2Options = { streams: 128, idleTimeout: 72_000 }

/**
 * Floods: nghttp2 ends a connection that resets streams faster than 33 a second for long (after 1,000), or that has a
 * thousand frames unacknowledged; the rest of what one connection may cost is bounded here.
 */
function createHttp2Server(
  options: object,
  http1: ServerOptions,
  Http2ServerResponse: unknown,
  { streams, idleTimeout, maxHeaderListSize }: Http2Options & { maxHeaderListSize: number },
  handler: () => void
): Server {
  const server = createSecureServer(
    {
      ...options,
      ...http1,
      allowHTTP1: true,
      http1Options: http1,
      Http2ServerResponse: Http2ServerResponse as never,
      settings: { maxConcurrentStreams: streams, maxHeaderListSize, enablePush: false },
      maxSessionInvalidFrames: 100,
      maxSessionRejectedStreams: 100,
      maxOutstandingPings: 10,
      maxSettings: 32,
      unknownProtocolTimeout: HANDSHAKE_TIMEOUT
    },
    handler
  )
  server.on('session', session => endIdle(session, idleTimeout))
  return server as never
}

/** Ends a connection that has no stream for `ms`. Node's own timeout starts again with each PING. */
function endIdle(session: ServerHttp2Session, ms: number): void {
  let open = 0
  let timer = setTimeout(end, ms)
  session.on('stream', (stream: ServerHttp2Stream) => {
    open++
    clearTimeout(timer)
    stream.once('close', () => {
      if (--open === 0 && !session.destroyed) timer = setTimeout(end, ms)
    })
  })
  session.once('close', () => clearTimeout(timer))

  function end(): void {
    session.close()
    // A client that reads nothing would keep the connection open.
    timer = setTimeout(() => session.destroy(), END_TIMEOUT)
  }
}

/** Milliseconds for the client to read the GOAWAY. */
const END_TIMEOUT = 1_000
