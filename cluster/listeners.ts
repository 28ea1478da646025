import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { createServer as createHttpServer } from '../http/node-internals.ts'

/** Where a listener is to be: an address, or a socket that somebody else has opened. */
export type Place = { host: string; port: number } | { fd: number }

export interface Listener {
  readonly server: Server
  /** Takes no more. Those that have been taken stay. Resolves once nobody listens. */
  close(): Promise<void>
}

/** Milliseconds in which those that wait in the system are taken. */
const EMPTY_FOR = 1_000

/**
 * Connections of whom nobody reads anything here. `onError`: one that could not be accepted.
 * @throws what `explainListening` puts into words.
 */
export async function listenForConnections(
  place: Place,
  onConnection: (socket: Socket) => void,
  onError: (error: Error) => void
): Promise<Listener> {
  const server = createServer({ pauseOnConnect: true, noDelay: true }, onConnection)
  await listen(server, place, onError)
  let taken = 0
  server.on('connection', () => taken++)
  return {
    server,
    /** Of those that wait in the system node takes one a turn, and closing resets the others. */
    async close() {
      const end = performance.now() + EMPTY_FOR
      let before: number
      // This one's turn may have been.
      await turn()
      do {
        before = taken
        await turn()
      } while (taken > before && performance.now() < end)
      server.close()
    }
  }
}

export async function listenForRequests(
  place: Place,
  onRequest: RequestListener,
  onError: (error: Error) => void
): Promise<Listener> {
  const server = createHttpServer((request, response) => {
    if (!server.listening) response.shouldKeepAlive = false
    onRequest(request, response)
  })
  await listen(server, place, onError)
  return {
    server,
    async close() {
      server.close()
      server.closeIdleConnections()
    }
  }
}

async function listen(server: Server, place: Place, onError: (error: Error) => void): Promise<void> {
  server.listen(place as ListenOptions)
  await once(server, 'listening')
  server.on('error', onError)
}

export function explainListening(error: NodeJS.ErrnoException & { port?: number; address?: string }): string {
  if (error.code === 'EADDRINUSE') return `${error.address}:${error.port} is taken by another process`
  if (error.code === 'EACCES') return `${error.address}:${error.port} may not be listened on by this user`
  return error.message
}
