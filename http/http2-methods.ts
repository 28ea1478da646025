import type { IncomingMessage, ServerResponse } from 'node:http'
import { constants, Http2ServerResponse } from 'node:http2'
import { METHODS, STATUS_CODES } from './node-internals.ts'

/** RFC 9110, 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** ms for the client to read the response. */
const LINGER = 1_000

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/**
 * Rejects methods that Node does not know, as its parser does over HTTP/1.1 (RFC 9110, 9.1). Over HTTP/2 any string
 * arrives, for which Fastify would skip its hooks and log its whole router.
 */
export function rejectUnknownMethods(handler: Handler): Handler {
  const known = new Set(METHODS)
  return (request, response) => {
    const { method = '' } = request
    if (response instanceof Http2ServerResponse && !known.has(method))
      rejectStream(response, TOKEN.test(method) ? 501 : 400)
    else handler(request, response)
  }
}

/** Answers a stream that does not become a request, such as CONNECT (RFC 9113, 8.5). */
export function rejectStream(response: Http2ServerResponse, status: number): void {
  const title = STATUS_CODES[status]
  response.writeHead(status, { 'content-type': 'application/problem+json' })
  const { stream } = response
  response.end(JSON.stringify({ type: 'about:blank', title, status }), () => stream.close())
  // A client that does not read the response would keep the stream open.
  const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), LINGER)
  stream.once('close', () => clearTimeout(timer))
}
