import type { OutgoingHttpHeaders } from 'node:http'
import { Http2ServerResponse } from 'node:http2'

/** Node's response to an HTTP/2 request, made so that an aborted response is never taken for a complete one. */
export class Http2Response extends Http2ServerResponse {
  /** Node ends a stream that its client resets, and then counts it as finished. */
  // @ts-expect-error: Node has an accessor here, its types a property.
  override get writableFinished(): boolean {
    return this.stream.writableFinished && !this.stream.aborted
  }

  /** Drops `Connection`, which HTTP/2 forbids (RFC 9113, 8.2.2). Node drops it too, but prints a warning each time. */
  override writeHead(status: number, ...rest: unknown[]): this {
    delete (rest.at(-1) as OutgoingHttpHeaders | undefined)?.connection
    return super.writeHead(status, ...(rest as never[]))
  }

  /** Without an error Node resets the stream with NO_ERROR, which clients take for the end of the response. */
  override destroy(error: Error = new Error('The response was aborted')): this {
    super.destroy(this.writableFinished ? undefined : error)
    return this
  }
}
