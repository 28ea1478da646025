import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2'
import type { Readable } from 'node:stream'
import { type Dispatcher, errors } from 'undici'
import { type BodySender, sendBody } from './body.ts'
import { ConnectionLost, GoneAway, MalformedResponse, StreamRefused, StreamReset } from './errors.ts'
import type { RequestHead } from './request-head.ts'

const {
  NGHTTP2_FLAG_END_STREAM,
  NGHTTP2_NO_ERROR,
  NGHTTP2_CANCEL,
  NGHTTP2_REFUSED_STREAM,
  NGHTTP2_PROTOCOL_ERROR,
  NGHTTP2_FLOW_CONTROL_ERROR,
  NGHTTP2_FRAME_SIZE_ERROR,
  NGHTTP2_COMPRESSION_ERROR
} = constants

/** Reset codes of protocol errors, by Node or the service: a retry would end the same way. */
const MISUNDERSTOOD = new Set<number>([
  NGHTTP2_PROTOCOL_ERROR,
  NGHTTP2_FLOW_CONTROL_ERROR,
  NGHTTP2_FRAME_SIZE_ERROR,
  NGHTTP2_COMPRESSION_ERROR
])
const NAMES = Object.entries(constants).filter(([name]) => /^NGHTTP2_(?!SESSION_|HCAT_)[A-Z_]+$/.test(name))
const FRAME_TYPE_HEADERS = 1

export interface Http2Request {
  head: RequestHead
  body: string | Buffer | Readable | null
  /** Milliseconds without a byte of the response's body; 0: no limit. */
  bodyTimeout: number
  /** Closes the connection after the request. */
  reset: boolean
  handler: Dispatcher.DispatchHandler
}

/** The connection of a stream. */
export interface StreamOwner {
  request(head: RequestHead, endStream: boolean): ClientHttp2Stream
  /** True if nothing can come any more. */
  readonly isLost: boolean
  /** Called when a call has timed out. */
  suspect(): void
}

/**
 * One request on one stream, as undici's dispatch handlers see it.
 *
 * A response is complete with END_STREAM, and by nothing else. node:http2 shows the same events for END_STREAM and for
 * RST_STREAM with NO_ERROR, and drops what a paused reader has not taken when the stream or its connection ends. So
 * `push`, by which node fills the stream, is taken over: data goes to the handler when it comes, and at the end of the
 * data `closed` tells which of the two it was. `close(CANCEL)` is the only way in which a stream is ended here:
 * `end()`, `close()` and `destroy()` in one turn put node into an endless loop.
 */
export class RequestStream implements Dispatcher.DispatchController {
  aborted = false
  paused = false
  reason: Error | null = null
  /** The response has headers and nothing else: END_STREAM came with them. */
  isHeadersOnly = false
  #owner: StreamOwner
  #request: Http2Request
  #stream: ClientHttp2Stream | undefined
  #body: BodySender | undefined
  #push: ((chunk: Buffer | null) => boolean) | undefined
  #hasHead = false
  /** Announced, and received so far. */
  #length: number | undefined
  #received = 0
  #early: Buffer[] | undefined
  #trailers: IncomingHttpHeaders | undefined
  #isOver = false
  #hasEnded = false
  #isUnprocessed = false
  #error: Error | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(owner: StreamOwner, request: Http2Request) {
    this.#owner = owner
    this.#request = request
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
      .on('headers', headers => this.#inform(headers))
      .on('response', (headers, flags) => this.#begin(headers, flags))
      .on('trailers', trailers => {
        this.#trailers = trailers
      })
      .on('frameError', type => {
        // It was queued when a GOAWAY came, and never sent.
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
      handler.onRequestSent?.()
    } else this.#send(body, stream)
    return stream
  }

  pause(): void {
    this.paused = true
    this.#stopTimer()
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    this.#startTimer()
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

  /** RFC 9110, 15.2. */
  #inform(headers: IncomingHttpHeaders): void {
    if (this.#isOver) return
    const { ':status': status, ...rest } = headers as IncomingHttpHeaders & { ':status'?: number }
    // RFC 9113, 8.6: there is no 101.
    if (status === 101) this.#fail(new MalformedResponse('101'))
    else if (status !== undefined) this.#request.handler.onResponseStart?.(this, Number(status), rest)
  }

  #begin(headers: IncomingHttpHeaders, flags: number): void {
    if (this.#isOver) return
    const { ':status': status, ...rest } = headers as IncomingHttpHeaders & { ':status'?: number }
    if (status === undefined || status < 200 || this.#hasHead) {
      this.#fail(new MalformedResponse(`status ${status}`))
      return
    }
    this.#hasHead = true
    if (rest['content-length'] !== undefined) this.#length = Number(rest['content-length'])
    this.isHeadersOnly = (flags & NGHTTP2_FLAG_END_STREAM) !== 0
    this.#startTimer()
    this.#request.handler.onResponseStart?.(this, Number(status), rest)
    for (const chunk of this.#early ?? []) if (!this.#isOver) this.#deliver(chunk)
    this.#early = undefined
  }

  /** Replaces the stream's `push`. Returns false to stop Node from reading. */
  #take(chunk: Buffer | null): boolean {
    const stream = this.#stream as ClientHttp2Stream
    if (chunk === null) {
      // A stream that was reset, by either side, is closed before its end is pushed.
      if (!stream.closed && !this.#hasEnded) {
        this.#hasEnded = true
        // The event of the trailers comes in a tick that was queued before.
        process.nextTick(RequestStream.#end, this)
      }
      return this.#push?.(null) ?? false
    }
    if (this.#isOver) return true
    if (this.#hasHead) this.#deliver(chunk)
    else if (this.#early === undefined) this.#early = [chunk]
    else this.#early.push(chunk)
    return !this.paused
  }

  #deliver(chunk: Buffer): void {
    this.#timer?.refresh()
    this.#received += chunk.length
    this.#request.handler.onResponseData?.(this, chunk)
  }

  static #end(call: RequestStream): void {
    if (call.#isOver) return
    if (!call.#hasHead) {
      call.#fail(new MalformedResponse('no headers'))
      return
    }
    call.#isOver = true
    call.#stopTimer()
    // RFC 9113, 8.1: a complete response may come before the end of the request, which nobody needs any more.
    call.#body?.stop()
    setImmediate(cancel, call.#stream)
    call.#request.handler.onResponseEnd?.(call, call.#trailers as IncomingHttpHeaders)
  }

  /** The stream is gone. */
  #close(): void {
    if (this.#isOver) return
    if (this.#isWhole) RequestStream.#end(this)
    else this.#fail(this.#whatEnded())
  }

  /**
   * True if all of the announced length has come. Node's server sends RST_STREAM with NO_ERROR in the place of END_STREAM
   * while the connection's window is exhausted.
   */
  get #isWhole(): boolean {
    const { rstCode } = this.#stream as ClientHttp2Stream
    return rstCode === NGHTTP2_NO_ERROR && this.#error === undefined && this.#length === this.#received
  }

  #whatEnded(): Error {
    const { id, rstCode = 0 } = this.#stream as ClientHttp2Stream
    const cause: NodeJS.ErrnoException | undefined = this.#error
    if (this.#isUnprocessed || id === undefined) return new GoneAway({ cause })
    if (rstCode === NGHTTP2_REFUSED_STREAM && !this.#hasHead) return new StreamRefused()
    // nghttp2 has ended the connection: what came is no HTTP/2.
    if (cause?.code === 'ERR_HTTP2_ERROR') return new MalformedResponse(cause.message, { cause })
    if (this.#owner.isLost) return new ConnectionLost({ cause })
    const name = NAMES.find(([, code]) => code === rstCode)?.[0].slice(8) ?? String(rstCode)
    return MISUNDERSTOOD.has(rstCode) ? new MalformedResponse(name) : new StreamReset(name)
  }

  #fail(error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#stopTimer()
    this.#body?.stop(error)
    cancel(this.#stream)
    this.#request.handler.onResponseError?.(this, error)
  }

  #startTimer(): void {
    const { bodyTimeout } = this.#request
    if (bodyTimeout > 0 && this.#hasHead && !this.#isOver)
      this.#timer = setTimeout(RequestStream.#expire, bodyTimeout, this)
  }

  #stopTimer(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** After a process was stopped, its timers run first. Reads what has arrived meanwhile before it fails the call. */
  static #expire(call: RequestStream): void {
    const timer = call.#timer
    setImmediate(() => {
      if (call.#isOver || call.#timer !== timer) return
      call.#owner.suspect()
      call.#fail(new errors.BodyTimeoutError())
    })
  }
}

function cancel(stream: ClientHttp2Stream | undefined): void {
  if (stream !== undefined && !stream.closed && !stream.destroyed) stream.close(NGHTTP2_CANCEL)
}
