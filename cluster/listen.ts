import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { createServer as createHttpServer } from '../http/node-internals.ts'

/** An address to listen on, or an inherited socket. */
export type ListenAddress = { host: string; port: number } | { fd: number }

export interface Listener {
  readonly server: Server
  /** Stops accepting connections; accepted ones stay open. */
  close(): Promise<void>
}

/** ms in which connections that wait in the system are accepted before closing. */
const EMPTY_FOR = 1_000

/**
 * Accepts connections without reading from them.
 * @param onError called when a connection could not be accepted
 * @throws an error for `explainListening`
 */
export async function listenForConnections(
  address: ListenAddress,
  onConnection: (socket: Socket) => void,
  onError: (error: Error) => void
): Promise<Listener> {
  const server = createServer({ pauseOnConnect: true, noDelay: true }, onConnection)
  await listen(server, address, onError)
  let accepted = 0
  server.on('connection', () => accepted++)
  return {
    server,
    /** Node accepts one waiting connection per turn of the event loop; closing would reset the others. */
    async close() {
      const end = performance.now() + EMPTY_FOR
      let before: number
      // Node may have accepted one in this turn already.
      await turn()
      do {
        before = accepted
        await turn()
      } while (accepted > before && performance.now() < end)
      server.close()
    }
  }
}

/** Connections of clients of the admin API, whose descriptors the gateway's connections need too. */
const MAX_CONNECTIONS = 256
/** ms for a whole request. */
const REQUEST_TIMEOUT = 10_000

export async function listenForRequests(
  address: ListenAddress,
  onRequest: RequestListener,
  onError: (error: Error) => void
): Promise<Listener> {
  const timeouts = { requestTimeout: REQUEST_TIMEOUT, headersTimeout: REQUEST_TIMEOUT }
  const server = createHttpServer(timeouts, (request, response) => {
    if (!server.listening) response.shouldKeepAlive = false
    onRequest(request, response)
  })
  server.maxConnections = MAX_CONNECTIONS
  await listen(server, address, onError)
  return {
    server,
    async close() {
      server.close()
      server.closeIdleConnections()
    }
  }
}

async function listen(
  server: Server,
  address: ListenAddress,
  onError: (error: Error) => void
): Promise<void> {
  server.listen(address as ListenOptions)
  await once(server, 'listening')
  server.on('error', onError)
}

export function explainListening(error: NodeJS.ErrnoException & { port?: number; address?: string }): string {
  if (error.code === 'EADDRINUSE') return `${error.address}:${error.port} is in use by another process`
  if (error.code === 'EACCES') return `${error.address}:${error.port} needs a privilege that this user lacks`
  return error.message
}
