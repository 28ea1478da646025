import type { Exchange } from '../../http/exchange.ts'
import { Http1Response } from '../../http/http1-response.ts'
import { Http2Response } from '../../http/http2-response.ts'
import { Beginning } from './bodies.ts'

/**
 * Responses that hold on to the body that they send, for the recorder; a server is told to make these. An `onSend` hook
 * would see it too, but costs five closures an answer, and does not see what a route writes by itself.
 */
export interface SendingResponse {
  /** Set when the exchange begins. */
  exchange: Exchange | undefined
  /** Handed to `end` as a whole, or in chunks. What is given before that stands: an answer that is packed on its way. */
  sent: string | Uint8Array | Beginning | undefined
}

export class RecordedResponse extends Http1Response implements SendingResponse {
  exchange: Exchange | undefined = undefined
  sent: SendingResponse['sent'] = undefined

  override write(chunk: unknown, encoding?: unknown, callback?: unknown): boolean {
    if (!this.writableEnded && !this.destroyed) see(this, chunk, encoding)
    return super.write(chunk as string, encoding as BufferEncoding, callback as () => void)
  }

  override end(chunk?: unknown, encoding?: unknown, callback?: unknown): this {
    if (!this.writableEnded && !this.destroyed) {
      if (this.sent === undefined && isWhole(chunk, encoding)) {
        this.sent = chunk
        if (typeof chunk === 'string') flatten(chunk)
        flatten((this as unknown as { _header: string | null })._header ?? '')
      } else see(this, chunk, encoding)
    }
    return super.end(chunk as string, encoding as BufferEncoding, callback as () => void)
  }
}

export class RecordedHttp2Response extends Http2Response implements SendingResponse {
  exchange: Exchange | undefined = undefined
  sent: SendingResponse['sent'] = undefined

  override write(chunk: unknown, encoding?: unknown, callback?: unknown): boolean {
    if (!this.writableEnded && !this.stream.destroyed) see(this, chunk, encoding)
    return super.write(chunk as string, encoding as BufferEncoding, callback as () => void)
  }

  /** Writes what it is given. */
  override end(chunk?: unknown, encoding?: unknown, callback?: unknown): this {
    if (!this.writableEnded && !this.stream.destroyed && this.sent === undefined && isWhole(chunk, encoding))
      this.sent = chunk
    return super.end(chunk as string, encoding as BufferEncoding, callback as () => void)
  }
}

function isWhole(chunk: unknown, encoding: unknown): chunk is string | Uint8Array {
  return (
    (typeof chunk === 'string' || chunk instanceof Uint8Array) &&
    (encoding === null || encoding === undefined)
  )
}

function see(response: SendingResponse, chunk: unknown, encoding: unknown): void {
  const { exchange, sent } = response
  if (exchange === undefined || exchange.endedAt > 0) return
  if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) return
  if (sent !== undefined && !(sent instanceof Beginning)) return
  const beginning = sent ?? new Beginning(exchange.reply.server.recorder?.limitOf(exchange) ?? 0)
  beginning.add(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
  response.sent = beginning
}

// biome-ignore lint/correctness/noUnusedVariables: what was last read, so that V8 does not optimise the reading away
let lastRead = 0

/**
 * Makes one piece of what was added up from many, as a head is by node, and a body by its serializer: its pieces are then
 * walked through once, not by node to send it and by the recorder again.
 */
function flatten(text: string): void {
  lastRead ^= text.charCodeAt(0)
}
