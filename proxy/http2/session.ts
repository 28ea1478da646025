import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import type { Socket } from 'node:net'
import { ConnectionLost } from './errors.ts'
import type { Http2Request } from './request.ts'
import type { Origin, RequestHead } from './request-head.ts'
import { RequestStream, type StreamOwner } from './stream.ts'

export interface SessionOptions extends Origin {
  /** ms for the service's SETTINGS and its acknowledgement, and for its response to a PING. */
  timeout: number
  /** Bytes of response headers, counted as in RFC 9113, 6.5.2. */
  maxHeaderSize: number
}

/** The owner of sessions. */
export interface SessionKeeper {
  /** Called when the session has room for a stream again. */
  onRoom(session: Http2Session): void
  /** Called when the session accepts no more streams. Open ones continue. */
  onDraining(session: Http2Session): void
  /** Called when the session has closed, or could not be opened. */
  onClose(session: Http2Session, error: Error): void
}

/** Bytes that a service may send on a stream while its reader is paused. */
const STREAM_WINDOW = 262_144
/**
 * Bytes on a connection, for 100 streams. Node returns window for bytes as they arrive, so this bounds no memory. A service
 * with an exhausted window waits for a round trip, and Node's server then ends streams without END_STREAM.
 */
const CONNECTION_WINDOW = 100 * STREAM_WINDOW
/**
 * MB; no limit. Node never subtracts cancelled uploads, so with a limit a connection would at some point reject every
 * response. Stream windows bound the buffers, and the upstream bounds the calls.
 */
const SESSION_MEMORY = 2 ** 32 - 1
/** Header fields of a response. */
const MAX_FIELDS = 1_000
/** ms without a stream after which a connection is closed; less than usual timeouts of load balancers. */
const IDLE_TIMEOUT = 60_000
/** ms for the service to close an unused connection. */
const CLOSE_TIMEOUT = 1_000

/** An HTTP/2 connection to a service. It accepts streams when SETTINGS have been exchanged. */
export class Http2Session implements StreamOwner {
  /** Open streams. */
  open = 0
  /** Maximum of open streams: SETTINGS_MAX_CONCURRENT_STREAMS. */
  limit = 0
  /** True when SETTINGS have been exchanged, so that requests can be sent. */
  hasSettings = false
  #session: ClientHttp2Session
  #socket: Socket
  #keeper: SessionKeeper
  #timeout: number
  #calls = new Set<RequestStream>()
  #maxStreams: number | undefined
  #isDraining = false
  #isClosed = false
  #isProbed = false
  #bytesRead = 0
  #error: Error | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(socket: Socket, options: SessionOptions, keeper: SessionKeeper) {
    this.#socket = socket
    this.#keeper = keeper
    this.#timeout = options.timeout
    this.#timer = setTimeout(() => this.destroy(new SettingsTimeout()), options.timeout)
    const session = connect(`${options.scheme}://${options.authority}`, {
      createConnection: () => socket,
      maxSessionMemory: SESSION_MEMORY,
      maxHeaderListPairs: MAX_FIELDS,
      settings: {
        enablePush: false,
        initialWindowSize: STREAM_WINDOW,
        maxHeaderListSize: options.maxHeaderSize
      }
    })
    this.#session = session
    session.setLocalWindowSize(CONNECTION_WINDOW)
    session
      .on('remoteSettings', settings => {
        this.#maxStreams = settings.maxConcurrentStreams ?? Number.POSITIVE_INFINITY
        this.#settle()
      })
      // Node enforces its own limits only after the service has acknowledged them.
      .on('localSettings', () => this.#settle())
      .on('goaway', (_code, lastStreamId) => this.#goAway(lastStreamId))
      .on('error', error => {
        this.#error = error
      })
      .on('close', () => this.#close())
    // A TLS alert after the handshake emits an error, but does not close the socket.
    socket.on('error', error => this.destroy(error)).on('close', () => this.#close())
  }

  get hasRoom(): boolean {
    return !this.#isDraining && !this.#isProbed && this.open < this.limit
  }

  /** True if only another connection can take more streams. False before SETTINGS, when the limit is not known. */
  get isFull(): boolean {
    return this.#isDraining || this.#isProbed || (this.limit > 0 && this.open >= this.limit)
  }

  get isLost(): boolean {
    return this.#socket.destroyed || this.#session.destroyed
  }

  /** Sends a request. Call it only if `hasRoom`. */
  send(request: Http2Request): void {
    const call = new RequestStream(this, request)
    this.#bytesRead = this.#socket.bytesRead
    this.open++
    const stream = call.start()
    if (stream === undefined) {
      this.#release(call)
      return
    }
    this.#stopIdling()
    this.#calls.add(call)
    stream.once('close', () => this.#release(call))
    if (request.reset) this.drain()
  }

  request(head: RequestHead, endStream: boolean): ClientHttp2Stream {
    return this.#session.request(head, { endStream })
  }

  /**
   * Sends a PING if nothing has arrived since the last request, and closes the connection if there is no response. Not at
   * intervals, since gRPC services close connections that send too many PINGs.
   */
  suspect(): void {
    if (this.#isProbed || this.isLost || this.#socket.bytesRead !== this.#bytesRead) return
    this.#isProbed = true
    const timer = setTimeout(() => this.destroy(new PingTimeout()), this.#timeout)
    this.#session.ping(error => {
      clearTimeout(timer)
      this.#isProbed = false
      if (error === null && this.hasRoom) this.#keeper.onRoom(this)
    })
  }

  /** Closes the session when its streams have ended. */
  drain(): void {
    if (!this.#isDraining) {
      this.#isDraining = true
      this.#keeper.onDraining(this)
    }
    if (this.open > 0 || this.isLost) return
    this.#session.close()
    setTimeout(() => this.#socket.destroy(), CLOSE_TIMEOUT).unref()
  }

  drainIfIdle(): void {
    if (this.open === 0) this.drain()
  }

  destroy(error?: Error): void {
    this.#error ??= error
    this.#isDraining = true
    this.#session.destroy(error)
    this.#socket.destroy()
  }

  #settle(): void {
    if (this.#maxStreams === undefined || this.#session.pendingSettingsAck) return
    if (!this.hasSettings) this.#idle()
    this.hasSettings = true
    this.limit = this.#maxStreams
    if (this.hasRoom) this.#keeper.onRoom(this)
  }

  #goAway(lastStreamId: number): void {
    for (const call of this.#calls) if ((call.id ?? 0) > lastStreamId) call.markUnprocessed()
    this.drain()
  }

  #release(call: RequestStream): void {
    this.open--
    this.#calls.delete(call)
    if (this.#isDraining) {
      this.drain()
      return
    }
    if (this.open === 0) this.#idle()
    if (this.hasRoom) this.#keeper.onRoom(this)
  }

  #idle(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.drain(), IDLE_TIMEOUT).unref()
  }

  #stopIdling(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#isDraining = true
    this.#stopIdling()
    this.#keeper.onClose(this, this.#error ?? this.#socket.errored ?? new ConnectionLost())
  }
}

class SettingsTimeout extends Error {
  code = 'UND_ERR_CONNECT_TIMEOUT'
  constructor() {
    super('the service did not exchange SETTINGS')
  }
}

class PingTimeout extends Error {
  code = 'ETIMEDOUT'
  constructor() {
    super('the service did not respond to a PING')
  }
}
