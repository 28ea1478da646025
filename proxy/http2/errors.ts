import { constants } from 'node:http2'
import createError from '@fastify/error'

/** Reasons why a request over HTTP/2 has no complete response. For the log; clients get an error of proxy/errors.ts. */

/**
 * The service has not processed the request: it refused the stream, or excluded it by a GOAWAY. The request may be sent
 * again, whatever its method (RFC 9113, 8.7).
 */
const StreamRefused = createError('HTTP2_STREAM_REFUSED', 'the service refused the stream', 502, Error, false)
export const GoneAway = createError('HTTP2_GONE_AWAY', 'the service closed the connection', 502, Error, false)

const StreamReset = createError(
  'HTTP2_STREAM_RESET',
  'the service reset the stream with %s',
  502,
  Error,
  false
)
export const ConnectionLost = createError('HTTP2_CONNECTION_LOST', 'the connection ended', 502, Error, false)
/** RFC 9113, 8.1.1: a malformed response is a stream error. */
export const MalformedResponse = createError(
  'HTTP2_MALFORMED_RESPONSE',
  'the response is not valid: %s',
  502,
  Error,
  false
)

/** State of a stream that has ended without a complete response. */
export interface StreamEnd {
  /** Code of RST_STREAM; 0 if there was none. */
  rstCode: number
  cause: NodeJS.ErrnoException | undefined
  isUnprocessed: boolean
  /** Response headers have arrived. */
  hasHeaders: boolean
  isConnectionLost: boolean
}

/** Codes of protocol errors, found by Node or by the service. A retry would end the same way. */
const PROTOCOL_ERRORS = new Set<number>([
  constants.NGHTTP2_PROTOCOL_ERROR,
  constants.NGHTTP2_FLOW_CONTROL_ERROR,
  constants.NGHTTP2_FRAME_SIZE_ERROR,
  constants.NGHTTP2_COMPRESSION_ERROR
])
const NAMES = Object.entries(constants).filter(([name]) => /^NGHTTP2_(?!SESSION_|HCAT_)[A-Z_]+$/.test(name))

export function toStreamError({
  rstCode,
  cause,
  isUnprocessed,
  hasHeaders,
  isConnectionLost
}: StreamEnd): Error {
  if (isUnprocessed) return new GoneAway({ cause })
  if (rstCode === constants.NGHTTP2_REFUSED_STREAM && !hasHeaders) return new StreamRefused()
  // nghttp2 has ended the connection, since the bytes were not HTTP/2.
  if (cause?.code === 'ERR_HTTP2_ERROR') return new MalformedResponse(cause.message, { cause })
  if (isConnectionLost) return new ConnectionLost({ cause })
  const name = NAMES.find(([, code]) => code === rstCode)?.[0].slice(8) ?? String(rstCode)
  return PROTOCOL_ERRORS.has(rstCode) ? new MalformedResponse(name) : new StreamReset(name)
}
