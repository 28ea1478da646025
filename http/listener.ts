import type { Server, ServerOptions } from 'node:http'
import { createSecureServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { createServer } from 'node:https'
import type { FastifyServerFactory, FastifyServerOptions } from 'fastify'
import type { HttpOptions } from '../schemas/options/http.ts'
import type { Http2Options, ListenOptions } from '../schemas/options/listen.ts'
import { readCertificates } from './certificates.ts'
import { rejectUnknownMethods } from './http2-methods.ts'

/**
 * Returns Fastify's options for the listener: none without `tls`, else an HTTPS server, with HTTP/2 if configured.
 * Configures HTTP/1.1 as Fastify does.
 * @throws if the certificate's files cannot be read
 */
export function listenerOptions(
  { tls, http2 }: Pick<ListenOptions, 'tls' | 'http2'>,
  { maxHeaderSize, maxHeadersCount }: HttpOptions,
  Http2ServerResponse: unknown
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
            Http2ServerResponse,
            { maxHeaderListSize: maxHeaderSize, ...(http2 === true ? HTTP2_DEFAULTS : http2) },
            rejectUnknownMethods(handler as never) as never
          )
    server.setTimeout(options.connectionTimeout as number)
    if (Number(options.maxRequestsPerSocket) > 0)
      server.maxRequestsPerSocket = options.maxRequestsPerSocket as number
    return server as never
  }
  // Fastify logs the scheme by the presence of `https`.
  return { serverFactory, https: {} } as never
}

/** ms for the TLS handshake. */
const HANDSHAKE_TIMEOUT = 10_000
const HTTP2_DEFAULTS: Http2Options = { streams: 128, idleTimeout: 72_000 }

/**
 * Bounds what one connection may cost. nghttp2 itself closes a connection that resets more than 33 streams a second (after
 * a burst of 1,000) or leaves 1,000 frames unacknowledged.
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

/** Closes a connection that has no stream for `ms`. Node's own timeout restarts with each PING. */
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
    // A client that does not read would keep the connection open.
    timer = setTimeout(() => session.destroy(), END_TIMEOUT)
  }
}

/** ms for the client to read the GOAWAY. */
const END_TIMEOUT = 1_000
