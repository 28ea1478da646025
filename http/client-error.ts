import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { STATUS_CODES } from './node-internals.ts'

/**
 * Responses to clients whose bytes never become a request: Node's parser rejected them, they came too slowly, or there
 * are too many connections. They are problems (RFC 9457) without a request id. The connection is closed, since nobody
 * knows where the next request would begin.
 */

/** ms that a client gets to read the last response while it still sends. */
const LINGER = 1_000

const STATUS: Record<string, number> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  HPE_PAUSED_H2_UPGRADE: 505,
  ERR_HTTP_REQUEST_TIMEOUT: 408
}

/** A valid request line with a method that Node does not know (RFC 9110, 9.1). */
const UNKNOWN_METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e]+ HTTP\/1\.[01]\r\n/

const UNKNOWN_VERSION = /^[A-Z]+ [\x21-\x7e]+ HTTP\/\d+\.\d+\r\n/

type ParserError = Error & { code?: string; rawPacket?: unknown; bytesParsed?: number }
/** Node's own handlers read these members too: the response being sent and the request being received. */
type HttpSocket = Socket & {
  _httpMessage?: ServerResponse | null
  parser?: { incoming?: IncomingMessage | null } | null
}

/** Returns Fastify's `clientErrorHandler`. Responses keep their order: one being sent is finished first, or aborted. */
export function createClientErrorHandler(): (error: ParserError, socket: Socket) => void {
  const rejected = new WeakSet<Socket>()

  return (error, socket) => {
    if (error.code === 'ECONNRESET') return void socket.destroy()
    if (!socket.writable || rejected.has(socket)) return
    rejected.add(socket)
    rejectInOrder(socket, error)
  }

  function rejectInOrder(socket: HttpSocket, error: ParserError): void {
    const response = socket._httpMessage
    // Ignore bytes after a request with `Connection: close` (RFC 9112, 9.6).
    if (error.code === 'HPE_CLOSED_CONNECTION') {
      if (!response) lingeringClose(socket)
    } else if (response && !response.req.complete && !response.writableEnded) {
      // The malformed body belongs to the request that is being answered.
      if (response.headersSent) socket.destroy()
      else lingeringClose(socket, rawProblem(statusOf(error)))
    } else if (response) response.once('finish', () => rejectInOrder(socket, error))
    // A request that was already answered gets no second response for its malformed rest.
    else if (isWithinRequest(socket)) lingeringClose(socket)
    else lingeringClose(socket, rawProblem(statusOf(error)))
  }
}

function isWithinRequest({ parser }: HttpSocket): boolean {
  return parser?.incoming?.complete === false
}

/** Sends `text` after all pending responses and closes the connection. */
export function closeInOrder(socket: HttpSocket, text: string): void {
  const response = socket._httpMessage
  if (response) response.once('finish', () => closeInOrder(socket, text))
  else lingeringClose(socket, text)
}

function statusOf(error: ParserError): number {
  const { code = '' } = error
  if (code === 'HPE_INVALID_METHOD' && UNKNOWN_METHOD.test(faultyLineOf(error))) return 501
  if (code === 'HPE_INVALID_VERSION' && UNKNOWN_VERSION.test(faultyLineOf(error))) return 505
  return STATUS[code] ?? 400
}

function faultyLineOf({ rawPacket, bytesParsed = 0 }: ParserError): string {
  const text = Buffer.isBuffer(rawPacket) ? rawPacket.toString('latin1') : ''
  return text.slice(text.lastIndexOf('\n', bytesParsed - 1) + 1)
}

/** Returns a complete response with `Connection: close`. */
export function rawProblem(status: number, headers = ''): string {
  const title = STATUS_CODES[status]
  const body = JSON.stringify({ type: 'about:blank', title, status })
  return `HTTP/1.1 ${status} ${title}\r\nContent-Type: application/problem+json\r\nContent-Length: ${body.length}\r\n${headers}Connection: close\r\n\r\n${body}`
}

/**
 * Closes a connection such that the client can read the last response. Closed at once with bytes unread, the connection
 * would be reset and the response lost (RFC 9112, 9.6). Ignores what still arrives, for a second.
 */
export function lingeringClose(socket: Socket, text = ''): void {
  if (!socket.writable) return
  socket.end(text)
  const timer = setTimeout(() => socket.destroy(), LINGER).unref()
  socket.once('close', () => clearTimeout(timer))
  socket.resume()
}
