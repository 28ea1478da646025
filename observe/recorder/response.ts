import type { Exchange } from '../../http/exchange.ts'
import { Http1Response } from '../../http/http1-response.ts'
import { Http2Response } from '../../http/http2-response.ts'
import { headerTextOf } from '../../http/node-internals.ts'
import type { RecordedAttempt } from './attempts.ts'
import { BodyPrefix } from './bodies.ts'

/**
 * A response that keeps the beginning of its body for the recorder. Servers are created with these classes, since an `onSend`
 * hook costs five closures per response and does not see what a route writes itself.
 */
export interface RecordableResponse {
  /** Set by the recorder when the exchange starts; without it, nothing is kept. */
  exchange: Exchange | undefined
  /** Set with `exchange`. Returns the bytes to keep of a body. */
  limitOf: ((exchange: Exchange) => number) | undefined
  /** Beginning of the request body; set by the recorder. */
  receivedBody: BodyPrefix | undefined
  /** Body given to `end()` as a whole, or the beginning of one written in chunks. The compress plugin sets it before that. */
  sentBody: string | Uint8Array | BodyPrefix | undefined
  /** Requests to endpoints, by their start; set by the recorder. */
  attempts: RecordedAttempt[] | undefined
}

/** An HTTP/1.1 response; give it to the server as `http: { ServerResponse: RecordedResponse }`. */
export class RecordedResponse extends Http1Response implements RecordableResponse {
  exchange: RecordableResponse['exchange'] = undefined
  limitOf: RecordableResponse['limitOf'] = undefined
  receivedBody: RecordableResponse['receivedBody'] = undefined
  sentBody: RecordableResponse['sentBody'] = undefined
  attempts: RecordableResponse['attempts'] = undefined
  /** Written so that V8 does not remove the reads of `flatten()`. */
  protected flattened = 0

  override write(chunk: unknown, encoding?: unknown, callback?: unknown): boolean {
    if (!this.writableEnded && !this.destroyed) addChunk(this, chunk, encoding)
    return super.write(chunk as string, encoding as BufferEncoding, callback as () => void)
  }

  override end(chunk?: unknown, encoding?: unknown, callback?: unknown): this {
    if (this.exchange !== undefined && !this.writableEnded && !this.destroyed) {
      if (this.sentBody === undefined && isWholeBody(chunk, encoding)) {
        this.sentBody = chunk
        if (typeof chunk === 'string') this.flattened = flatten(chunk)
        this.flattened += flatten(headerTextOf(this) ?? '')
      } else addChunk(this, chunk, encoding)
    }
    return super.end(chunk as string, encoding as BufferEncoding, callback as () => void)
  }
}

export class RecordedHttp2Response extends Http2Response implements RecordableResponse {
  exchange: RecordableResponse['exchange'] = undefined
  limitOf: RecordableResponse['limitOf'] = undefined
  receivedBody: RecordableResponse['receivedBody'] = undefined
  sentBody: RecordableResponse['sentBody'] = undefined
  attempts: RecordableResponse['attempts'] = undefined

  override write(chunk: unknown, encoding?: unknown, callback?: unknown): boolean {
    if (!this.writableEnded && !this.stream.destroyed) addChunk(this, chunk, encoding)
    return super.write(chunk as string, encoding as BufferEncoding, callback as () => void)
  }

  /** Other bodies are seen by `write`, which Node's `end` calls. */
  override end(chunk?: unknown, encoding?: unknown, callback?: unknown): this {
    if (
      this.exchange !== undefined &&
      !this.writableEnded &&
      !this.stream.destroyed &&
      this.sentBody === undefined &&
      isWholeBody(chunk, encoding)
    )
      this.sentBody = chunk
    return super.end(chunk as string, encoding as BufferEncoding, callback as () => void)
  }
}

function isWholeBody(chunk: unknown, encoding: unknown): chunk is string | Uint8Array {
  return (
    (typeof chunk === 'string' || chunk instanceof Uint8Array) &&
    (encoding === null || encoding === undefined)
  )
}

function addChunk(response: RecordableResponse, chunk: unknown, encoding: unknown): void {
  const { exchange, sentBody } = response
  if (exchange === undefined || exchange.endedAt > 0) return
  if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) return
  if (sentBody !== undefined && !(sentBody instanceof BodyPrefix)) return
  const prefix = sentBody ?? new BodyPrefix(response.limitOf?.(exchange) ?? 0)
  prefix.add(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
  response.sentBody = prefix
}

/**
 * Makes V8 flatten a string that was concatenated from many, such as Node's header block and serialized JSON. Otherwise both
 * Node and the recorder would walk through its pieces.
 */
function flatten(text: string): number {
  return text === '' ? 0 : text.charCodeAt(0)
}
