import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { ServerResponse } from './node-http.ts'

/** Node's response to an HTTP/1.1 or HTTP/1.0 request, but for how it is cut. */
export class Http1Response extends ServerResponse {
  /**
   * Cuts the response. Where the end of the connection is the end of the body, as for HTTP/1.0 clients, the connection
   * is reset, or they would take it for whole (RFC 9112, 8). TLS says so by itself: there is no `close_notify`.
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
      // Not by getHeader(): what writeHead() was given is not kept.
      !/\r\ncontent-length:/i.test(String((this as unknown as { _header: string })._header))
    )
  }
}
