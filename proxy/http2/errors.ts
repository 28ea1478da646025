import createError from '@fastify/error'

/** Why a request over HTTP/2 has no complete response. For the log: clients get what `toUpstreamError` makes of it. */

/**
 * The service has not processed the request, which may be sent again whatever its method (RFC 9113, 8.7): its stream
 * was refused, or comes after the last one of a GOAWAY.
 */
export const StreamRefused = createError(
  'HTTP2_STREAM_REFUSED',
  'the service refused the stream',
  502,
  Error,
  false
)
export const GoneAway = createError('HTTP2_GONE_AWAY', 'the service closes the connection', 502, Error, false)

export const StreamReset = createError(
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
