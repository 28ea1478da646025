import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2'
import type { Readable } from 'node:stream'
import { type Dispatcher, errors } from 'undici'
import { type BodySender, sendBody } from './body.ts'
import { GoneAway, MalformedResponse, toStreamError } from './errors.ts'
import { InactivityTimer } from './inactivity-timer.ts'
import type { Http2Request } from './request.ts'
import type { RequestHead } from './request-head.ts'

const { NGHTTP2_FLAG_END_STREAM, NGHTTP2_NO_ERROR, NGHTTP2_CANCEL } = constants

const FRAME_TYPE_HEADERS = 1

/** The connection of a stream. */
export interface StreamOwner {
  request(head: RequestHead, endStream: boolean): ClientHttp2Stream
  /** True if the connection has ended. */
  readonly isLost: boolean
  /** Called when a call has timed out, so that the connection can be tested. */
  suspect(): void
}

/**
 * One request on one stream, as undici's dispatch handlers see it.
 *
 * Only END_STREAM completes a response. node:http2 emits the same events for END_STREAM and for RST_STREAM with NO_ERROR,
 * and drops data that a paused reader has not read when the stream or its connection ends. So this class replaces `push`,
 * with which Node fills the stream: data goes to the handler as it arrives, and at its end `closed` tells the two apart.
 * Streams are only ended by `close(CANCEL)`: `end()`, `close()` and `destroy()` in one turn cause an endless loop in Node.
 */
export class RequestStream implements Dispatcher.DispatchController {
  aborted = false
  paused = false
  reason: Error | null = null
  /** True if END_STREAM came with the response headers. */
  isHeadersOnly = false
  #owner: StreamOwner
  #request: Http2Request
  #stream: ClientHttp2Stream | undefined
  #body: BodySender | undefined
  #push: ((chunk: Buffer | null) => boolean) | undefined
  #hasHeaders = false
  /** Value of `content-length`, and bytes received. */
  #length: number | undefined
  #received = 0
  #early: Buffer[] | undefined
  #trailers: IncomingHttpHeaders | undefined
  #isOver = false
  #hasEnded = false
  #isUnprocessed = false
  #error: Error | undefined
  #timer: InactivityTimer

  constructor(owner: StreamOwner, request: Http2Request) {
    this.#owner = owner
    this.#request = request
    this.#timer = new InactivityTimer(request.bodyTimeout, () => {
      if (this.#isOver) return
      owner.suspect()
      this.#fail(new errors.BodyTimeoutError())
    })
  }

  get id(): number | undefined {
    return this.#stream?.id
  }

  /** Sends the request. Returns the stream, or undefined if it was aborted before. */
  start(): ClientHttp2Stream | undefined {
    const { head, body, handler } = this.#request
    handler.onRequestStart?.(this, undefined)
    if (this.#isOver) return undefined
    let stream: ClientHttp2Stream
    try {
      stream = this.#owner.request(head, body === null)
    } catch (cause) {
      this.#fail(new errors.InvalidArgumentError((cause as Error).message))
      return undefined
    }
    this.#stream = stream
    this.#push = stream.push.bind(stream) as (chunk: Buffer | null) => boolean
    stream.push = chunk => this.#take(chunk as Buffer | null)
    stream
      .on('headers', headers => this.#passInterim(headers))
      .on('response', (headers, flags) => this.#passHeaders(headers, flags))
      .on('trailers', trailers => {
        this.#trailers = trailers
      })
      .on('frameError', type => {
        // The request was queued when a GOAWAY arrived, and never sent.
        if (type === FRAME_TYPE_HEADERS) this.#isUnprocessed = true
      })
      .on('error', error => {
        this.#error = error
      })
      .on('close', () => this.#close())
      .resume()
    if (body === null) handler.onRequestSent?.()
    else if (typeof body === 'string' || Buffer.isBuffer(body)) {
      stream.end(body)
      handler.onBodySent?.(Buffer.from(body))
      handler.onRequestSent?.()
    } else this.#send(body, stream)
    return stream
  }

  pause(): void {
    this.paused = true
    this.#timer.stop()
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    if (this.#hasHeaders && !this.#isOver) this.#timer.start()
    // Continues the reading that `push` stopped by returning false.
    if (this.#stream?.destroyed === false) this.#stream._read(0)
  }

  abort(reason: Error & { statusCode?: number }): void {
    if (this.#isOver) return
    this.aborted = true
    this.reason = reason
    if (reason.statusCode === 504) this.#owner.suspect()
    this.#fail(reason)
  }

  /** Called for streams that a GOAWAY excludes. */
  markUnprocessed(): void {
    this.#isUnprocessed = true
    this.#fail(new GoneAway())
  }

  #send(body: Readable, stream: ClientHttp2Stream): void {
    const { head, handler } = this.#request
    const length = head['content-length']
    this.#body = sendBody(
      body,
      stream,
      length === undefined ? undefined : Number(length),
      chunk => handler.onBodySent?.(chunk),
      () => {
        if (!this.#isOver) handler.onRequestSent?.()
      },
      error => {
        this.#fail(error)
      }
    )
  }

  /** Passes a 1xx response on (RFC 9110, 15.2). */
  #passInterim(headers: IncomingHttpHeaders): void {
    if (this.#isOver) return
    const { ':status': status, ...rest } = headers as IncomingHttpHeaders & { ':status'?: number }
    // HTTP/2 has no 101 (RFC 9113, 8.6).
    if (status === 101) this.#fail(new MalformedResponse('101'))
    else if (status !== undefined) this.#request.handler.onResponseStart?.(this, Number(status), rest)
  }

  #passHeaders(headers: IncomingHttpHeaders, flags: number): void {
    if (this.#isOver) return
    const { ':status': status, ...rest } = headers as IncomingHttpHeaders & { ':status'?: number }
    if (status === undefined || status < 200 || this.#hasHeaders) {
      this.#fail(new MalformedResponse(`status ${status}`))
      return
    }
    this.#hasHeaders = true
    if (rest['content-length'] !== undefined) this.#length = Number(rest['content-length'])
    this.isHeadersOnly = (flags & NGHTTP2_FLAG_END_STREAM) !== 0
    this.#timer.start()
    this.#request.handler.onResponseStart?.(this, Number(status), rest)
    for (const chunk of this.#early ?? []) if (!this.#isOver) this.#deliver(chunk)
    this.#early = undefined
  }

  /** Replaces the stream's `push`. Returns false to stop Node from reading. */
  #take(chunk: Buffer | null): boolean {
    const stream = this.#stream as ClientHttp2Stream
    if (chunk === null) {
      // A stream that either side has reset is closed before its end is pushed.
      if (!stream.closed && !this.#hasEnded) {
        this.#hasEnded = true
        // The trailers event is emitted in an earlier tick.
        process.nextTick(RequestStream.#end, this)
      }
      return this.#push?.(null) ?? false
    }
    if (this.#isOver) return true
    if (this.#hasHeaders) this.#deliver(chunk)
    else if (this.#early === undefined) this.#early = [chunk]
    else this.#early.push(chunk)
    return !this.paused
  }

  #deliver(chunk: Buffer): void {
    this.#timer.refresh()
    this.#received += chunk.length
    this.#request.handler.onResponseData?.(this, chunk)
  }

  static #end(call: RequestStream): void {
    if (call.#isOver) return
    if (!call.#hasHeaders) {
      call.#fail(new MalformedResponse('no headers'))
      return
    }
    call.#isOver = true
    call.#timer.stop()
    // A complete response may come before the end of the request body, which is then not needed (RFC 9113, 8.1).
    call.#body?.stop()
    setImmediate(cancel, call.#stream)
    call.#request.handler.onResponseEnd?.(call, call.#trailers as IncomingHttpHeaders)
  }

  /** Handles the end of the stream. */
  #close(): void {
    if (this.#isOver) return
    if (this.#isComplete) RequestStream.#end(this)
    else {
      const { id, rstCode = 0 } = this.#stream as ClientHttp2Stream
      this.#fail(
        toStreamError({
          rstCode,
          cause: this.#error,
          isUnprocessed: this.#isUnprocessed || id === undefined,
          hasHeaders: this.#hasHeaders,
          isConnectionLost: this.#owner.isLost
        })
      )
    }
  }

  /**
   * True if all bytes of the announced length have arrived. Node's server sends RST_STREAM with NO_ERROR instead of
   * END_STREAM while the connection's window is exhausted.
   */
  get #isComplete(): boolean {
    const { rstCode } = this.#stream as ClientHttp2Stream
    return rstCode === NGHTTP2_NO_ERROR && this.#error === undefined && this.#length === this.#received
  }

  #fail(error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#timer.stop()
    this.#body?.stop(error)
    cancel(this.#stream)
    this.#request.handler.onResponseError?.(this, error)
  }
}

function cancel(stream: ClientHttp2Stream | undefined): void {
  if (stream !== undefined && !stream.closed && !stream.destroyed) stream.close(NGHTTP2_CANCEL)
}
