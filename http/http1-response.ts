import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { ServerResponse } from './node-internals.ts'

/** Node's response to an HTTP/1.x request, made so that a client can tell when it is cut. */
export class Http1Response extends ServerResponse {
  /**
   * Cuts the response. If the end of the connection would end the body, as for HTTP/1.0 clients, resets the connection:
   * otherwise they take the body for complete (RFC 9112, 8). Over TLS the missing `close_notify` tells.
   */
  override destroy(error?: Error): this {
    const { socket } = this
    if (socket instanceof Socket && !(socket instanceof TLSSocket) && this.#isCloseDelimited)
      socket.resetAndDestroy()
    return super.destroy(error)
  }

  get #isCloseDelimited(): boolean {
    return (
      this.headersSent &&
      !this.writableFinished &&
      !this.chunkedEncoding &&
      // getHeader() does not return headers that were given to writeHead().
      !/\r\ncontent-length:/i.test(String((this as unknown as { _header: string })._header))
    )
  }
}
