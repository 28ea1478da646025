import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { STATUS_CODES } from './node-internals.ts'

/**
 * Answers to what never becomes a request: node's parser refused it, it came too slowly, or its connection is one too
 * many. They are problems (RFC 9457) without a request id, and the connection ends with them: where the next request
 * would begin is not known.
 */

/** Milliseconds that a client has to read the last answer while it still sends. */
const LINGER = 1_000

const STATUS: Record<string, number> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  HPE_PAUSED_H2_UPGRADE: 505,
  ERR_HTTP_REQUEST_TIMEOUT: 408
}

/** A request line that is one, but for a method that node does not know (RFC 9110, 9.1). */
const UNKNOWN_METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e]+ HTTP\/1\.[01]\r\n/

const UNKNOWN_VERSION = /^[A-Z]+ [\x21-\x7e]+ HTTP\/\d+\.\d+\r\n/

type ParserError = Error & { code?: string; rawPacket?: unknown; bytesParsed?: number }
/** The response that is being sent, and the request that is being read; node's own handlers read them too. */
type HttpSocket = Socket & {
  _httpMessage?: ServerResponse | null
  parser?: { incoming?: IncomingMessage | null } | null
}

/** Fastify's `clientErrorHandler`. Answers keep their order: one that is under way is finished first, or cut. */
export function createClientErrorHandler(): (error: ParserError, socket: Socket) => void {
  const refused = new WeakSet<Socket>()

  return (error, socket) => {
    if (error.code === 'ECONNRESET') return void socket.destroy()
    if (!socket.writable || refused.has(socket)) return
    refused.add(socket)
    refuseInOrder(socket, error)
  }

  function refuseInOrder(socket: HttpSocket, error: ParserError): void {
    const response = socket._httpMessage
    // After a request that ends its connection nothing counts (RFC 9112, 9.6).
    if (error.code === 'HPE_CLOSED_CONNECTION') {
      if (!response) endGently(socket)
    } else if (response && !response.req.complete && !response.writableEnded) {
      // The body that is being read is the one that is wrong.
      if (response.headersSent) socket.destroy()
      else endGently(socket, rawProblem(statusOf(error)))
    } else if (response) response.once('finish', () => refuseInOrder(socket, error))
    // A request that has been answered gets no second response for what is wrong with the rest of it.
    else if (isWithinRequest(socket)) endGently(socket)
    else endGently(socket, rawProblem(statusOf(error)))
  }
}

function isWithinRequest({ parser }: HttpSocket): boolean {
  return parser?.incoming?.complete === false
}

/** Says `text` once every answer under way has been sent, and ends the connection. */
export function endInOrder(socket: HttpSocket, text: string): void {
  const response = socket._httpMessage
  if (response) response.once('finish', () => endInOrder(socket, text))
  else endGently(socket, text)
}

function statusOf(error: ParserError): number {
  const { code = '' } = error
  if (code === 'HPE_INVALID_METHOD' && UNKNOWN_METHOD.test(fromFaultyLine(error))) return 501
  if (code === 'HPE_INVALID_VERSION' && UNKNOWN_VERSION.test(fromFaultyLine(error))) return 505
  return STATUS[code] ?? 400
}

function fromFaultyLine({ rawPacket, bytesParsed = 0 }: ParserError): string {
  const text = Buffer.isBuffer(rawPacket) ? rawPacket.toString('latin1') : ''
  return text.slice(text.lastIndexOf('\n', bytesParsed - 1) + 1)
}

/** A whole answer, after which the connection is closed. */
export function rawProblem(status: number, headers = ''): string {
  const title = STATUS_CODES[status]
  const body = JSON.stringify({ type: 'about:blank', title, status })
  return `HTTP/1.1 ${status} ${title}\r\nContent-Type: application/problem+json\r\nContent-Length: ${body.length}\r\n${headers}Connection: close\r\n\r\n${body}`
}

/**
 * Ends a connection so that its last answer can be read. Closed at once with octets unread, it would be reset, and the
 * answer lost with it (RFC 9112, 9.6). What still comes is read and ignored, for a while.
 */
export function endGently(socket: Socket, text = ''): void {
  if (!socket.writable) return
  socket.end(text)
  const timer = setTimeout(() => socket.destroy(), LINGER).unref()
  socket.once('close', () => clearTimeout(timer))
  socket.resume()
}
