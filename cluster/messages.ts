import type { ConfigDigests } from './config-digests.ts'
import type { LoadedFiles } from './loaded-files.ts'

/** Messages between the supervisor and a worker. They arrive in order, connections included. */
export type ToWorker =
  /** Comes with a socket that nobody has read from. */
  | { type: 'connection'; id: number }
  /** Follows a connection. If the connection has not arrived by now, it was lost. */
  | { type: 'sent'; id: number }
  /** No connection follows. */
  | { type: 'drain' }
  /** A worker whose event loop runs answers with `pong` at once. */
  | { type: 'ping' }
  /** Sets the log level; without one, that of the worker's config. */
  | { type: 'log-level'; level?: string }

export type FromWorker =
  | { type: 'ready'; settings: Settings; loadedFiles: LoadedFiles; config: ConfigDigests }
  /** The worker cannot start or continue, and exits. `reason` is shown to operators. */
  | { type: 'failed'; reason: string }
  /** The worker owns the connection now. `connections`: its open connections. */
  | { type: 'ack'; id: number; connections: number }
  /** The connection was lost, since the worker had no file descriptor left (MSG_CTRUNC, recvmsg(2)). */
  | { type: 'nack'; id: number; connections: number }
  | { type: 'connections'; connections: number }
  /** `isDebugged`: the worker's inspector is open. */
  | { type: 'pong'; isDebugged: boolean }

/** The part of the config that the supervisor needs. Only workers load config files. */
export interface Settings {
  listen: { host: string; port: number; tls?: boolean }
  admin: { host: string; port: number; hosts: string[]; token?: string | undefined }
  drain: { delay: number; timeout: number }
  logLevel: string
  /** `rateLimit.keys` of the config. */
  keys: number
}
