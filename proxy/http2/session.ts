import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import type { Socket } from 'node:net'
import { ConnectionLost } from './errors.ts'
import type { Origin, RequestHead } from './request-head.ts'
import { type Http2Request, RequestStream, type StreamOwner } from './stream.ts'

export interface SessionOptions extends Origin {
  /** Milliseconds for the service's SETTINGS and its acknowledgement, and for its answer to a PING. */
  timeout: number
  /** Bytes of a response's header section, as RFC 9113, 6.5.2, counts them. */
  maxHeaderSize: number
}

/** The owner of sessions. */
export interface SessionKeeper {
  /** Called when the session has room for a stream again. */
  onRoom(session: Http2Session): void
  /** Called when it takes no more streams. Open ones continue. */
  onDraining(session: Http2Session): void
  /** Called when it has closed, or could not be opened. */
  onClose(session: Http2Session, error: Error): void
}

/** Bytes that a service may send ahead of a paused reader on a stream. */
const STREAM_WINDOW = 262_144
/**
 * Bytes on a connection, for 100 streams: node gives them back as they come, so they bound nothing. A service whose window
 * is exhausted waits for a round trip, and node's server then ends streams without END_STREAM.
 */
const CONNECTION_WINDOW = 100 * STREAM_WINDOW
/**
 * Megabytes: no limit. Node never subtracts cancelled uploads, so a limit would in the end refuse every response of a
 * connection. Buffers are bounded by the streams' windows, and calls by the upstream.
 */
const SESSION_MEMORY = 2 ** 32 - 1
/** Header fields of a response. */
const MAX_FIELDS = 1_000
/** Milliseconds without a stream after which a connection is closed, before load balancers forget it. */
const IDLE_TIMEOUT = 60_000
/** Milliseconds for the service to close a connection that is no longer used. */
const CLOSE_TIMEOUT = 1_000

/** A connection to a service that speaks HTTP/2. It takes streams once SETTINGS have been exchanged. */
export class Http2Session implements StreamOwner {
  /** Streams that are open. */
  open = 0
  /** Streams that may be open: SETTINGS_MAX_CONCURRENT_STREAMS. */
  limit = 0
  /** Both sides have each other's SETTINGS: requests can be sent. */
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
    this.#timer = setTimeout(() => this.destroy(new SettingsLate()), options.timeout)
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
      // Node keeps to its own limits once the service has acknowledged them.
      .on('localSettings', () => this.#settle())
      .on('goaway', (_code, lastStreamId) => this.#goAway(lastStreamId))
      .on('error', error => {
        this.#error = error
      })
      .on('close', () => this.#close())
    // A TLS alert after the handshake is an error that closes nothing.
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
   * Sends a PING if nothing has come since the last request was sent, and closes the connection if it is not answered.
   * Not at intervals: gRPC services close connections that send too many PINGs.
   */
  suspect(): void {
    if (this.#isProbed || this.isLost || this.#socket.bytesRead !== this.#bytesRead) return
    this.#isProbed = true
    const timer = setTimeout(() => this.destroy(new ProbeLate()), this.#timeout)
    this.#session.ping(error => {
      clearTimeout(timer)
      this.#isProbed = false
      if (error === null && this.hasRoom) this.#keeper.onRoom(this)
    })
  }

  /** Closes it once its streams have ended. */
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

class SettingsLate extends Error {
  code = 'UND_ERR_CONNECT_TIMEOUT'
  constructor() {
    super('the service did not exchange SETTINGS')
  }
}

class ProbeLate extends Error {
  code = 'ETIMEDOUT'
  constructor() {
    super('the service answered no PING')
  }
}
