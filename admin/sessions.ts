import { createHash, randomBytes } from 'node:crypto'

/** A person or program that uses the admin API. */
export interface Operator {
  /** Name given at the login; `token` with a bearer token, `anonymous` without a token. */
  name: string
  /** Address at the other end of the connection; behind a proxy, the proxy's. */
  address: string
}

/** Logins of browsers. They outlive a reload, and end with the process. */
export interface Sessions {
  /** Returns the id, which is kept as a digest only. `token`: digest of the admin token that was given. */
  create(name: string, token: Buffer): string
  /** Returns the name of a session of this token that has not expired, and restarts its idle time. */
  use(id: string, token: Buffer): string | undefined
  /** Calls `close` when the session ends, unless the returned function was called before; at once if it has ended. */
  hold(id: string, close: () => void): () => void
  /** Returns false if there is no such session. */
  remove(id: string): boolean
}

export interface SessionOptions {
  /** ms after which a session ends. */
  lifetime?: number
  /** ms without a request, and without an open stream, after which a session ends. */
  idleTime?: number
  /** Number of sessions. Beyond it, the one that was not used for longest ends. */
  max?: number
  now?: () => number
}

interface Session {
  name: string
  token: Buffer
  endsAt: number
  usedAt: number
  timer: NodeJS.Timeout
  /** Close functions of streams that are open. */
  closers: Set<() => void>
}

const HOUR = 3_600_000
/** Bytes of an id: more than can be guessed. */
const ID_SIZE = 32

export function createSessions({
  lifetime = 12 * HOUR,
  idleTime = HOUR,
  max = 256,
  now = Date.now
}: SessionOptions = {}): Sessions {
  /** By digest of the id; the least recently used first. */
  const sessions = new Map<string, Session>()

  return {
    create(name, token) {
      const id = randomBytes(ID_SIZE).toString('base64url')
      const key = digest(id)
      const timer = setTimeout(end, lifetime, key).unref()
      sessions.set(key, { name, token, endsAt: now() + lifetime, usedAt: now(), timer, closers: new Set() })
      for (const oldest of sessions.keys()) {
        if (sessions.size <= max) break
        end(oldest)
      }
      return id
    },
    use(id, token) {
      const key = digest(id)
      const session = sessions.get(key)
      if (session === undefined) return undefined
      const isIdle = session.closers.size === 0 && now() - session.usedAt >= idleTime
      if (isIdle || now() >= session.endsAt || !session.token.equals(token)) {
        end(key)
        return undefined
      }
      session.usedAt = now()
      sessions.delete(key)
      sessions.set(key, session)
      return session.name
    },
    hold(id, close) {
      const session = sessions.get(digest(id))
      if (session === undefined) close()
      session?.closers.add(close)
      return () => {
        if (session?.closers.delete(close)) session.usedAt = now()
      }
    },
    remove: id => end(digest(id))
  }

  function end(key: string): boolean {
    const session = sessions.get(key)
    if (session === undefined) return false
    sessions.delete(key)
    clearTimeout(session.timer)
    for (const close of session.closers) close()
    return true
  }
}

/** A copy of the process's memory shows no id that could be used. */
function digest(id: string): string {
  return createHash('sha256').update(id).digest('base64')
}
