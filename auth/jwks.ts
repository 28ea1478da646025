import type { FastifyBaseLogger } from 'fastify'
import { type Dispatcher, fetch } from 'undici'
import type { IssuerOptions } from '../schemas/options/jwt.ts'
import { isTrustedUrl } from '../schemas/options/url.ts'
import { ALGORITHMS, isSame, type Key, toKey } from './jwk.ts'
import { keysUnavailable } from './token-errors.ts'

export { ALGORITHMS, type Key } from './jwk.ts'

/**
 * An issuer's public keys (RFC 7517), fetched on first use and kept as one set: a key that leaves the set is revoked, and
 * with it every token that it verified. A set without a usable key counts as a failed fetch.
 *
 * One fetch at a time. Keys are refreshed in the background after `refreshAfter` and used up to `maxStale` while the
 * issuer is unavailable. Unknown keys cause one fetch a `cooldown`, and a few more for each address that asks for one.
 */
export interface Jwks {
  /**
   * Returns the first key that may have signed a token: with its `kid`, else without one; for a token without `kid` any
   * key of the algorithm. Undefined if there is no such key.
   * @throws Unavailable (503) without usable keys, and for an unknown one if the issuer cannot be asked.
   */
  find(kid: string | undefined, algorithm: string, asker?: Asker): Promise<Key | undefined>
  /** Refreshes the keys if they are due, also while every token comes from a cache. */
  touch(): void
}

export interface Asker {
  /** Keys that have not signed the token. */
  tried?: readonly Key[]
  /** Address of the client. */
  from?: string | undefined
  /**
   * When the token came, by `performance.now()`. If given, `find` throws Unavailable instead of returning undefined unless
   * the keys have been fetched since: a key that was published meanwhile is not called unknown.
   */
  since?: number | undefined
}

export interface JwksSurroundings {
  /** Default: undici's global one. */
  dispatcher?: Dispatcher
  /** Milliseconds of a monotonic clock: ages are intervals, and the wall clock may be set back. */
  now?: () => number
}

const MAX_BYTES = 1_048_576
const MAX_KEYS = 100
/** Members of a key set that are read. */
const MAX_MEMBERS = 1_000
/** Milliseconds to wait after a fetch that failed. */
const BACKOFF = 1_000
/** Extra fetches within a cooldown: for one address, and for all addresses. */
const MAX_EXTRA_OF_ONE = 3
const MAX_EXTRA = 12

export function createJwks(
  options: IssuerOptions,
  log: FastifyBaseLogger,
  { dispatcher, now = () => performance.now() }: JwksSurroundings = {}
): Jwks {
  const { issuer, jwks: timing } = options
  let keys: Key[] = []
  let fetchedAt = Number.NEGATIVE_INFINITY
  let failedAt = Number.NEGATIVE_INFINITY
  /** Start of the last fetch that succeeded. */
  let startedAt = Number.NEGATIVE_INFINITY
  let missedAt = Number.NEGATIVE_INFINITY
  let extra: { from: string; at: number }[] = []
  let pending: Promise<void> | undefined

  return {
    async find(kid, algorithm, asker = {}) {
      if (!ALGORITHMS.includes(algorithm)) return undefined
      const { tried = [] } = asker
      const isFirst = fetchedAt === Number.NEGATIVE_INFINITY
      await freshen()
      if (now() - fetchedAt > timing.maxStale) throw keysUnavailable()
      const key = pick(kid, algorithm, tried)
      if (key !== undefined) return key
      // The key that the token names is known, and has not signed it.
      if (kid !== undefined && tried.some(key => key.kid === kid)) return undefined
      if (isFirst) missedAt = now()
      return search(kid, algorithm, asker)
    },
    touch() {
      void freshen()
    }
  }

  /** To be waited for if the keys at hand may not be used, or not before it has been tried to get newer ones. */
  function freshen(): Promise<void> | undefined {
    const age = now() - fetchedAt
    if (age <= Math.min(timing.refreshAfter, timing.maxStale)) return undefined
    if (age > timing.maxStale) {
      revokeAll()
      return refresh()
    }
    const refreshed = refresh()
    // Idle for long: what was refreshed in the background of no request is refreshed before this one. Once: an issuer
    // that is away is not waited for by all of them.
    return age > timing.refreshAfter * 2 && failedAt < fetchedAt ? refreshed : undefined
  }

  /** Fetches the keys again, since an unknown key may be new. If it is, resets the cooldown. */
  async function search(
    kid: string | undefined,
    algorithm: string,
    { tried = [], from, since }: Asker
  ): Promise<Key | undefined> {
    await pending
    let key = pick(kid, algorithm, tried)
    const isKnown = since !== undefined && startedAt >= since
    // Joins a fetch that another request has started.
    if (key === undefined && !isKnown && (pending !== undefined || mayFetch(from))) {
      await refresh()
      key = pick(kid, algorithm, tried)
      if (key !== undefined) giveBack(from)
    }
    if (key !== undefined) return key
    if (failedAt > fetchedAt) throw keysUnavailable()
    if (since !== undefined && startedAt < since) throw keysUnavailable(missedAt + timing.cooldown - now())
    return undefined
  }

  /** Allows extra fetches for each address: made-up key ids of one client must not hide a new key from the others. */
  function mayFetch(from: string | undefined): boolean {
    const time = now()
    if (time - missedAt >= timing.cooldown) {
      missedAt = time
      return true
    }
    extra = extra.filter(({ at }) => time - at < timing.cooldown)
    if (from === undefined || extra.length >= MAX_EXTRA) return false
    if (extra.filter(fetch => fetch.from === from).length >= MAX_EXTRA_OF_ONE) return false
    extra.push({ from, at: time })
    return true
  }

  function giveBack(from: string | undefined): void {
    missedAt = Number.NEGATIVE_INFINITY
    extra = extra.filter(fetch => fetch.from !== from)
  }

  function pick(kid: string | undefined, algorithm: string, tried: readonly Key[]): Key | undefined {
    const fitting = keys.filter(key => key.algorithms.includes(algorithm) && !tried.includes(key))
    if (kid === undefined) return fitting[0]
    const named = fitting.find(key => key.kid === kid)
    if (named !== undefined || keys.some(key => key.kid === kid)) return named
    return fitting.find(key => key.kid === undefined)
  }

  /** Never rejects: the keys at hand stand, and their age says what they are worth. */
  function refresh(): Promise<void> {
    if (pending === undefined && now() - failedAt < BACKOFF) return Promise.resolve()
    const began = now()
    pending ??= fetchKeys(options, dispatcher)
      .then(fetched => {
        replace(fetched)
        startedAt = began
        fetchedAt = now()
      })
      .catch(error => {
        failedAt = now()
        log.warn({ err: error, issuer }, 'keys cannot be fetched')
      })
      .finally(() => {
        pending = undefined
      })
    return pending
  }

  /** Keeps the objects of keys that stay: tokens hold on to them. */
  function replace(fetched: Key[]): void {
    const next = fetched.map(key => keys.find(known => isSame(known, key)) ?? key)
    for (const key of keys) key.revoked = !next.includes(key)
    keys = next
  }

  function revokeAll(): void {
    for (const key of keys) key.revoked = true
    keys = []
  }
}

async function fetchKeys(
  { issuer, jwksUri, jwks: { timeout } }: IssuerOptions,
  dispatcher: Dispatcher | undefined
): Promise<Key[]> {
  const signal = AbortSignal.timeout(timeout)
  const fetchJson = (uri: string) => fetchObject(uri, signal, dispatcher)
  const uri = jwksUri ?? (await discover(issuer, fetchJson))
  const { keys } = (await fetchJson(uri)) as { keys?: unknown }
  if (!Array.isArray(keys)) throw new Error(`${uri} is no JWK Set`)
  const usable = keys.slice(0, MAX_MEMBERS).flatMap(jwk => toKey(jwk) ?? [])
  const distinct = usable.filter((key, i) => usable.findIndex(other => isSame(other, key)) === i)
  // Such a set is a mistake of the issuer: it would reject every token.
  if (distinct.length === 0) throw new Error(`${uri} has no key that can verify a token`)
  return distinct.slice(0, MAX_KEYS)
}

/** OpenID Connect Discovery 1.0, 4.3: the document must be about the issuer that was asked for. */
async function discover(issuer: string, fetchJson: (uri: string) => Promise<object>): Promise<string> {
  const uri = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const document = (await fetchJson(uri)) as { issuer?: unknown; jwks_uri?: unknown }
  if (document.issuer !== issuer) throw new Error(`${uri} speaks for another issuer`)
  if (typeof document.jwks_uri !== 'string' || !isTrustedUrl(document.jwks_uri))
    throw new Error(`${uri} names no https jwks_uri`)
  return document.jwks_uri
}

async function fetchObject(
  uri: string,
  signal: AbortSignal,
  dispatcher: Dispatcher | undefined
): Promise<object> {
  const headers = { accept: 'application/json' }
  const response = await fetch(uri, {
    signal,
    ...(dispatcher && { dispatcher }),
    redirect: 'error',
    headers
  })
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > MAX_BYTES) throw new Error(`${uri} answered more than ${MAX_BYTES} bytes`)
    chunks.push(chunk)
  }
  if (response.status !== 200) throw new Error(`${uri} answered ${response.status}`)
  // Drops a byte order mark.
  const json: unknown = JSON.parse(new TextDecoder().decode(Buffer.concat(chunks)))
  if (typeof json !== 'object' || json === null) throw new Error(`${uri} answered no JSON object`)
  return json
}
