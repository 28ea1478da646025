import type { Edition } from './loaded-files.ts'

/** What passes between the supervisor and a worker, in order, connections included. */
export type ToWorker =
  /** With a socket that nobody has read from. */
  | { type: 'connection'; id: number }
  /** That connection has been sent: it was not received if it has not come by now. */
  | { type: 'given'; id: number }
  /** No connection comes after it. */
  | { type: 'drain' }
  /** Answered at once by a worker whose event loop turns. */
  | { type: 'ping' }

export type FromWorker =
  | { type: 'ready'; settings: Settings; edition: Edition }
  /** It cannot start, or goes on no longer: why, for people. It ends by itself. */
  | { type: 'failed'; reason: string }
  /** From here on a connection is the worker's. `connections`: how many it has. */
  | { type: 'taken'; id: number; connections: number }
  /** A connection did not come: there was no descriptor left for it (MSG_CTRUNC, recvmsg(2)). */
  | { type: 'missed'; id: number; connections: number }
  | { type: 'connections'; connections: number }
  /** `isDebugged`: its inspector is open. */
  | { type: 'pong'; isDebugged: boolean }

/** What the supervisor has to know of a config that only workers read. */
export interface Settings {
  listen: { host: string; port: number; tls?: boolean }
  admin: { host: string; port: number; token?: string | undefined }
  drain: { delay: number; timeout: number }
  logLevel: string
  /** Of limits: `rateLimit.keys`. */
  keys: number
}
