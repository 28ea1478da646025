import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { ServerResponse } from './node-internals.ts'

/** Node's response to an HTTP/1.x request, made so that a client can tell when it is incomplete. */
export class Http1Response extends ServerResponse {
  override destroy(error?: Error): this {
    resetCloseDelimited(this)
    return super.destroy(error)
  }
}

/**
 * Resets the connection of an incomplete response whose body would end with the connection, as for HTTP/1.0 clients:
 * they would take a closed connection for the end of the body (RFC 9112, 8). Over TLS the missing `close_notify` tells.
 */
export function resetCloseDelimited(response: ServerResponse): void {
  const { socket } = response
  if (socket instanceof Socket && !(socket instanceof TLSSocket) && isCloseDelimited(response))
    socket.resetAndDestroy()
}

function isCloseDelimited(response: ServerResponse): boolean {
  return (
    response.headersSent &&
    !response.writableFinished &&
    !response.chunkedEncoding &&
    // getHeader() does not return headers that were given to writeHead().
    !/\r\ncontent-length:/i.test(String((response as unknown as { _header: string })._header))
  )
}
