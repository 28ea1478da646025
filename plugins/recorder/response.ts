import type { Exchange } from '../exchange.ts'
import { Http2Response } from '../http2.ts'
import { ServerResponse } from '../node-http.ts'
import { Beginning } from './body.ts'

/**
 * Responses that hold on to the body that they send, for the recorder; a server is told to make these. An `onSend` hook
 * would see it too, but costs five closures an answer, and does not see what is packed or sent behind it.
 */
export interface SendingResponse {
  /** Set when the exchange begins. */
  exchange?: Exchange
  /** Handed to `end` as a whole, or in chunks. */
  sent: string | Uint8Array | Beginning | undefined
}

export class RecordedResponse extends ServerResponse implements SendingResponse {
  sent: SendingResponse['sent'] = undefined

  override write(chunk: any, ...rest: any[]): boolean {
    see(this, chunk, rest[0])
    return super.write(chunk, ...rest)
  }

  override end(chunk?: any, encoding?: any, callback?: any): this {
    const isWhole = typeof chunk === 'string' || chunk instanceof Uint8Array
    if (isWhole && this.sent === undefined && (encoding === null || encoding === undefined)) {
      // The head is a rope of parts until it is read: in one piece, it need not be walked through by node and then again
      // by the recorder.
      const head = (this as unknown as { _header: string | null })._header
      if (head === null || head.charCodeAt(0) === H) this.sent = chunk
    } else see(this, chunk, encoding)
    return super.end(chunk, encoding, callback)
  }
}

/** Its `end` writes. */
export class RecordedHttp2Response extends Http2Response implements SendingResponse {
  sent: SendingResponse['sent'] = undefined

  override write(chunk: any, ...rest: any[]): boolean {
    see(this, chunk, rest[0])
    return super.write(chunk, ...rest)
  }
}

function see(response: SendingResponse, chunk: unknown, encoding: unknown): void {
  const { exchange } = response
  if (exchange === undefined) return
  const bytes = bytesOf(chunk, encoding)
  if (bytes === undefined) return
  response.sent ??= new Beginning(exchange.reply.server.recorder?.limitOf(exchange) ?? 0)
  // Not of what comes behind a whole answer: it is not sent.
  if (response.sent instanceof Beginning) response.sent.add(bytes)
}

function bytesOf(chunk: unknown, encoding: unknown): Buffer | undefined {
  if (Buffer.isBuffer(chunk)) return chunk
  if (typeof chunk === 'string')
    return Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
  return chunk instanceof Uint8Array
    ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    : undefined
}

/** What a head begins with. */
const H = 'H'.charCodeAt(0)
