import type { ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { lingeringClose } from '../http/client-error.ts'
import { type CountedSocket, requests } from '../http/connection-state.ts'
import { spreadEvenly } from '../http/spread.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import type { Input } from '../schemas/options/defaults.ts'
import { DrainPluginOptions } from '../schemas/options/drain.ts'
import exchange from './exchange.ts'

/**
 * Stops an app without losing requests. `fastify.drain()` resolves when all connections have ended; call `close()` then.
 *
 * - HTTP/1.1: the next response carries `Connection: close`. An idle connection is closed after `idle` ms, not sooner:
 *   its client may be about to send and would lose the request (RFC 9112, 9.6). A connection without a request so far
 *   stays open until it has had one.
 * - HTTP/2: a GOAWAY that rejects nothing (RFC 9113, 6.8); the connection ends with its last stream.
 * - WebSockets are closed with 1001.
 * - Exchanges without a deadline, such as event streams, are aborted after 80 % of `timeout`; what is left after
 *   `timeout` ms is cut.
 *
 * Everything is spread over half of the time, so that clients do not all reconnect at once. `close()` alone closes idle
 * connections at once.
 */
async function drain(fastify: FastifyInstance, options: Input<typeof DrainPluginOptions> | undefined) {
  const { timeout, idle } = completeOptions(DrainPluginOptions, options ?? {}, 'drain')
  if (!fastify.hasPlugin('sluice-exchange')) await fastify.register(exchange, { deadline: 10_000 })
  const { server } = fastify
  const open = new Set<Socket>()
  const sockets = new Map<Socket, ConnectionState>()
  const sessions = new Set<ServerHttp2Session>()
  const listeners: DrainListener[] = []
  let drained: Promise<number> | undefined

  // A TLS connection causes both events, with different sockets.
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    if (!('setSecureContext' in server)) follow(socket)
  })
  server.on('secureConnection', follow)
  server.on('session', (session: ServerHttp2Session) => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
    if (drained !== undefined) session.once('stream', () => leave(session))
  })

  if (!fastify.hasPlugin('sluice-connection-limits'))
    fastify.addHook('onRequest', ({ raw }, _reply, done) => {
      ;(raw.socket as CountedSocket)[requests] ??= 1
      done()
    })

  fastify.decorate('leaveOpen', socket => void sockets.delete(socket as Socket))
  fastify.decorate('onDrain', listener => void listeners.push(listener))
  fastify.decorate('drain', () => (drained ??= start()))

  fastify.addHook('preClose', done => {
    server.prependListener('request', (_request, response) => {
      response.shouldKeepAlive = false
    })
    const timer = setInterval(() => server.closeIdleConnections(), 20)
    const end = setTimeout(fastify.endStreams, timeout * STREAMS_END, 0)
    server.once('close', () => {
      clearInterval(timer)
      clearTimeout(end)
    })
    // Node 22 does not close open sessions with the server.
    for (const session of sessions) session.close()
    for (const listener of listeners) listener(0)
    done()
  })

  function follow(socket: Socket): void {
    sockets.set(socket, { bytes: 0, idleAt: 0, leavesAt: 0 })
    socket.once('close', () => sockets.delete(socket))
  }

  function start(): Promise<number> {
    const startedAt = performance.now()
    const spread = timeout * SPREAD
    const laterOf = spreadEvenly(sockets.size, spread)
    for (const [socket, state] of sockets) {
      state.bytes = bytesOf(socket)
      state.idleAt = startedAt
      state.leavesAt = startedAt + laterOf()
    }
    server.prependListener('request', (request, response) => {
      const leavesAt = sockets.get(request.socket)?.leavesAt ?? 0
      if (performance.now() >= leavesAt) response.shouldKeepAlive = false
    })
    const laterThan = spreadEvenly(sessions.size, spread)
    for (const session of sessions) setTimeout(leave, laterThan(), session)
    for (const listener of listeners) listener(spread)
    const end = setTimeout(fastify.endStreams, timeout * STREAMS_END, timeout * (IDLE_END - STREAMS_END))
    return new Promise(resolve => {
      const timer = setInterval(check, CHECK)
      check()

      function check(): void {
        const now = performance.now()
        const share = (now - startedAt) / timeout
        if (open.size > 0 && share < 1) {
          endIdle(now, share >= IDLE_END)
          return
        }
        clearInterval(timer)
        clearTimeout(end)
        const cut = open.size
        // Destroy the response first: a client could take the end of the connection for the end of the body.
        for (const socket of sockets.keys()) (socket as HttpSocket)._httpMessage?.destroy()
        for (const socket of open) socket.destroy()
        resolve(cut)
      }
    })
  }

  function endIdle(now: number, isLate: boolean): void {
    if (isLate) for (const session of sessions) session.close()
    for (const [socket, state] of sockets) {
      if ((socket as TLSSocket).alpnProtocol === 'h2') continue
      const bytes = bytesOf(socket)
      if (bytes !== state.bytes || (socket as HttpSocket)._httpMessage) {
        state.bytes = bytes
        state.idleAt = now
      } else if (
        isLate ||
        (now >= state.leavesAt &&
          now - state.idleAt >= idle &&
          (socket as CountedSocket)[requests] !== undefined)
      )
        lingeringClose(socket)
    }
  }

  function leave(session: ServerHttp2Session): void {
    if (session.destroyed || session.closed) return
    session.goaway(0, EVERY_STREAM)
    const timer = setTimeout(() => session.close(), idle)
    session.once('close', () => clearTimeout(timer))
  }
}

/** Shares of `timeout`: until all connections were told to close; when endless exchanges are aborted; when idle connections are closed. */
const SPREAD = 0.5
const STREAMS_END = 0.8
const IDLE_END = 0.95
/** ms between two checks of the connections. */
const CHECK = 50
/** Last stream id of a GOAWAY that still serves requests on their way (RFC 9113, 6.8). */
const EVERY_STREAM = 2 ** 31 - 1

interface ConnectionState {
  /** Bytes in both directions, and when they last changed. */
  bytes: number
  idleAt: number
  /** When to send `Connection: close`. */
  leavesAt: number
}

type HttpSocket = Socket & { _httpMessage?: ServerResponse | null }
/** @param spread ms over which to spread the listener's work */
export type DrainListener = (spread: number) => void

function bytesOf({ bytesRead, bytesWritten }: Socket): number {
  return bytesRead + bytesWritten
}

export default fp(drain, { name: 'sluice-drain', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyInstance {
    /** Ends all connections and returns how many had to be cut. Further calls return the same promise. */
    drain(): Promise<number>
    /** Excludes a connection from draining; the caller ends it. */
    leaveOpen(socket: Duplex): void
    /** Calls `listener` when the app drains, or closes without draining. */
    onDrain(listener: DrainListener): void
  }
}
