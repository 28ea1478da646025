import type { ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { endGently } from '../http/client-error.ts'
import { spreadEvenly } from '../http/spread.ts'
import type { DrainOptions } from '../schemas/options/drain.ts'
import { hasServed } from './connection-limits.ts'

/**
 * How a gateway leaves without taking anything from anybody. `drain()` ends once every connection has ended:
 *
 * - HTTP/1.1: the answer to the next request on it says `Connection: close`. One that stays idle is ended after
 *   `idle` ms, no sooner: its client may be about to send, and would lose the request (RFC 9112, 9.6). One that has not
 *   sent its first request yet is waited for.
 * - HTTP/2: a GOAWAY that refuses nothing (RFC 9113, 6.8), and the connection ends with its last stream.
 * - WebSockets are closed with 1001.
 * - Exchanges without a deadline, which need never end, are ended when most of the time is over, and what is there after
 *   `timeout` ms is cut.
 *
 * All of it one after the other, over a share of the time: those who come back do not come at once. `close()` without it
 * ends what is idle at once.
 */
async function drain(fastify: FastifyInstance, { timeout, idle }: Pick<DrainOptions, 'timeout' | 'idle'>) {
  const { server } = fastify
  const open = new Set<Socket>()
  const sockets = new Map<Socket, Seen>()
  const sessions = new Set<ServerHttp2Session>()
  const listeners: DrainListener[] = []
  let drained: Promise<number> | undefined

  // Both may happen to one connection: TLS is read from another socket than it came by.
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
    for (const [socket, seen] of sockets) {
      seen.bytes = bytesOf(socket)
      seen.idleAt = startedAt
      seen.leavesAt = startedAt + laterOf()
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
      const timer = setInterval(look, LOOK)
      look()

      function look(): void {
        const now = performance.now()
        const share = (now - startedAt) / timeout
        if (open.size > 0 && share < 1) {
          endIdle(now, share >= IDLE_END)
          return
        }
        clearInterval(timer)
        clearTimeout(end)
        const cut = open.size
        // By its response, if there is one: the end of the connection could be taken for the end of the body.
        for (const socket of sockets.keys()) (socket as HttpSocket)._httpMessage?.destroy()
        for (const socket of open) socket.destroy()
        resolve(cut)
      }
    })
  }

  function endIdle(now: number, isLate: boolean): void {
    if (isLate) for (const session of sessions) session.close()
    for (const [socket, seen] of sockets) {
      if ((socket as TLSSocket).alpnProtocol === 'h2') continue
      const bytes = bytesOf(socket)
      if (bytes !== seen.bytes || (socket as HttpSocket)._httpMessage) {
        seen.bytes = bytes
        seen.idleAt = now
      } else if (isLate || (now >= seen.leavesAt && now - seen.idleAt >= idle && hasServed(socket)))
        endGently(socket)
    }
  }

  function leave(session: ServerHttp2Session): void {
    if (session.destroyed || session.closed) return
    session.goaway(0, EVERY_STREAM)
    const timer = setTimeout(() => session.close(), idle)
    session.once('close', () => clearTimeout(timer))
  }
}

/** Of the time: until when all that may be told to end has been told; when to end what would not end by itself. */
const SPREAD = 0.5
const STREAMS_END = 0.8
const IDLE_END = 0.95
/** Milliseconds between two looks. */
const LOOK = 50
/** RFC 9113, 6.8: whatever is on its way is still served. */
const EVERY_STREAM = 2 ** 31 - 1

interface Seen {
  /** Both ways, and since when there have been no more. */
  bytes: number
  idleAt: number
  /** From when on an answer on it is the last. */
  leavesAt: number
}

type HttpSocket = Socket & { _httpMessage?: ServerResponse | null }
/** `spread`: milliseconds over which to do what is to be done. */
export type DrainListener = (spread: number) => void

function bytesOf({ bytesRead, bytesWritten }: Socket): number {
  return bytesRead + bytesWritten
}

export default fp(drain, { name: 'sluice-drain', fastify: '5.x', dependencies: ['sluice-exchange'] })

declare module 'fastify' {
  interface FastifyInstance {
    /** Ends every connection, gently; how many had to be cut. Further calls share the first. `close()` is for after it. */
    drain(): Promise<number>
    /** The connection is no longer HTTP's: whoever has it ends it. */
    leaveOpen(socket: Duplex): void
    /** Called once the gateway drains, or closes without. */
    onDrain(listener: DrainListener): void
  }
}
