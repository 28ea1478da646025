import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { type buildConnector, Dispatcher, errors, type Pool } from 'undici'
import { release } from './body.ts'
import { type Http2Request, toHttp2Request } from './request.ts'
import type { Origin } from './request-head.ts'
import { Http2Session, type SessionKeeper, type SessionOptions } from './session.ts'

export interface Http2DispatcherOptions {
  /** The service's origin: scheme, host and port. */
  origin: string
  /** Maximum number of connections. */
  connections: number
  /** ms to connect, and then again for the service's SETTINGS. */
  connectTimeout: number
  /** Bytes of response headers. */
  maxHeaderSize?: number
  /** Opens connections; over TLS it offers `h2` and `http/1.1` by ALPN. */
  connector: buildConnector.connector
  /** Creates the pool for HTTP/1.1 requests. It uses the socket of `takeSocket` first, if there is one. */
  createHttp1Pool(takeSocket: () => Socket | undefined): Pool
}

/** A handler that learns how to leave the queue, so that aborted requests do not wait. */
export interface QueuedHandler extends Dispatcher.DispatchHandler {
  onQueued?(leave: () => void): void
}

/** A queued request, with undici's options in case it goes over HTTP/1.1. */
interface Waiting extends Http2Request {
  options: Dispatcher.DispatchOptions
}

/** Streams on a connection after which another one is opened. */
const STREAMS_BEFORE_NEXT = 100
/** Node's default, in bytes. */
const MAX_HEADER_SIZE = 65_535

/**
 * Calls a service over HTTP/2 through undici's Dispatcher interface. With https, a service that does not offer HTTP/2 is
 * called over HTTP/1.1; with http, HTTP/2 is assumed. Upgrades use HTTP/1.1. undici's own HTTP/2 client loses the end of
 * responses and can loop endlessly (docs/decisions/0030).
 *
 * A request waits until a connection has room for its stream. The caller bounds the number of waiting requests (the
 * upstream's bulkhead) and their time (the exchange's deadline).
 */
export class Http2Dispatcher extends Dispatcher implements SessionKeeper {
  #options: Http2DispatcherOptions
  #target: buildConnector.Options
  #session: SessionOptions
  #sessions = new Set<Http2Session>()
  /** In order of arrival. A set, so that removal takes constant time. */
  #queue = new Set<Waiting>()
  #isConnecting = false
  #http1: Pool | undefined
  /** True if the service has chosen HTTP/1.1. */
  #isHttp1 = false
  /** The connection on which it has, to be reused by the pool. */
  #socket: Socket | undefined
  #ending: Promise<void> | undefined
  #isDestroyed = false
  #onEnd: (() => void) | undefined

  constructor(options: Http2DispatcherOptions) {
    super()
    const { protocol, hostname, host, port } = new URL(options.origin)
    const origin: Origin = { scheme: protocol.slice(0, -1), authority: host }
    this.#options = options
    this.#target = { protocol, hostname: hostname.replace(/^\[(.*)\]$/, '$1'), host, port }
    this.#session = {
      ...origin,
      timeout: options.connectTimeout,
      maxHeaderSize: options.maxHeaderSize ?? MAX_HEADER_SIZE
    }
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: QueuedHandler): boolean {
    if (this.#ending !== undefined) {
      const error = this.#isDestroyed ? new errors.ClientDestroyedError() : new errors.ClientClosedError()
      handler.onResponseError?.(undefined as never, error)
      return false
    }
    if (options.upgrade || this.#isHttp1) return this.#overHttp1().dispatch(options, handler)
    let request: Waiting
    try {
      request = { ...toHttp2Request(options, this.#session, handler), options }
    } catch (error) {
      handler.onResponseError?.(undefined as never, error as Error)
      return false
    }
    if (request.body instanceof Readable) request.body.on('error', ignore)
    const session = this.#queue.size === 0 ? this.#pick() : undefined
    if (session !== undefined) session.send(request)
    else {
      this.#queue.add(request)
      handler.onQueued?.(() => this.#leave(request))
      this.#connect()
    }
    return true
  }

  /** Resolves when the running calls have ended. */
  override close(): Promise<void>
  override close(callback: () => void): void
  override close(callback?: () => void): Promise<void> | void {
    this.#ending ??= new Promise<void>(resolve => {
      this.#onEnd = resolve
      for (const session of this.#sessions) session.drainIfIdle()
      this.#checkEnd()
    }).then(() => this.#http1?.close())
    return settle(this.#ending, callback)
  }

  override destroy(): Promise<void>
  override destroy(error: Error | null): Promise<void>
  override destroy(callback: () => void): void
  override destroy(error: Error | null, callback: () => void): void
  override destroy(error?: Error | null | (() => void), callback?: () => void): Promise<void> | void {
    if (typeof error === 'function') return this.destroy(null, error)
    if (!this.#isDestroyed) {
      this.#isDestroyed = true
      const reason = error ?? new errors.ClientDestroyedError()
      const isOver = new Promise<void>(resolve => {
        const onEnd = this.#onEnd
        this.#onEnd = () => {
          onEnd?.()
          resolve()
        }
      })
      this.#ending = isOver.then(() => this.#http1?.destroy(reason))
      this.#failQueue(reason)
      for (const session of this.#sessions) session.destroy(reason)
      this.#socket?.destroy()
      this.#checkEnd()
    }
    return settle(this.#ending as Promise<void>, callback)
  }

  onRoom(session: Http2Session): void {
    for (const request of this.#queue) {
      if (!session.hasRoom) break
      this.#queue.delete(request)
      session.send(request)
    }
    if (this.#queue.size > 0) this.#connect()
    else if (this.#ending !== undefined) session.drainIfIdle()
  }

  onDraining(): void {
    if (this.#queue.size > 0) this.#connect()
  }

  onClose(session: Http2Session, error: Error): void {
    this.#sessions.delete(session)
    // The first connection failed: fail the requests that wait for it.
    if (!session.hasSettings && this.#sessions.size === 0) this.#failQueue(error)
    if (this.#queue.size > 0) this.#connect()
    this.#checkEnd()
  }

  /** Returns the first session with room, so that others can become idle; a busy one only at the limit of connections. */
  #pick(): Http2Session | undefined {
    let busy: Http2Session | undefined
    for (const session of this.#sessions) {
      if (!session.hasRoom) continue
      if (session.open < STREAMS_BEFORE_NEXT) return session
      busy ??= session
    }
    return this.#sessions.size < this.#options.connections ? undefined : busy
  }

  #leave(request: Waiting): void {
    this.#queue.delete(request)
    release(request.body)
    this.#checkEnd()
  }

  #failQueue(error: Error): void {
    const failed = [...this.#queue]
    this.#queue.clear()
    for (const { body, handler } of failed) {
      release(body, error)
      handler.onResponseError?.(undefined as never, error)
    }
  }

  /** Opens one connection at a time, unless an open one has room or has not sent its SETTINGS yet. */
  #connect(): void {
    if (this.#isConnecting || this.#isDestroyed || this.#sessions.size >= this.#options.connections) return
    for (const session of this.#sessions) if (!session.isFull && session.open < STREAMS_BEFORE_NEXT) return
    this.#isConnecting = true
    this.#options.connector(this.#target, (error, socket) => {
      this.#isConnecting = false
      if (error !== null) {
        if (this.#sessions.size === 0) this.#failQueue(error)
        this.#checkEnd()
      } else if (this.#isDestroyed) {
        socket.destroy()
        this.#checkEnd()
      } else if (this.#session.scheme === 'https' && (socket as TLSSocket).alpnProtocol !== 'h2')
        this.#fallBack(socket)
      else this.#sessions.add(new Http2Session(socket, this.#session, this))
    })
  }

  #fallBack(socket: Socket): void {
    this.#isHttp1 = true
    this.#socket = socket
    const pool = this.#overHttp1()
    for (const { options, handler } of this.#queue) pool.dispatch(options, handler)
    this.#queue.clear()
    this.#checkEnd()
  }

  #overHttp1(): Pool {
    if (this.#http1 !== undefined) return this.#http1
    const pool = this.#options.createHttp1Pool(() => {
      const socket = this.#socket
      this.#socket = undefined
      return socket?.destroyed ? undefined : socket
    })
    // Without a connection the next request negotiates the protocol again.
    const forget = () => {
      if (pool.stats.connected === 0) this.#isHttp1 = false
    }
    pool.on('disconnect', forget).on('connectionError', forget)
    this.#http1 = pool
    return pool
  }

  #checkEnd(): void {
    if (this.#onEnd === undefined || this.#queue.size > 0 || this.#sessions.size > 0 || this.#isConnecting)
      return
    this.#onEnd()
  }
}

function settle(ending: Promise<void>, callback: (() => void) | undefined): Promise<void> | void {
  if (callback === undefined) return ending
  ending.then(callback)
}

function ignore(): void {}
