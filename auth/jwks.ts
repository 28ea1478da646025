import type { FastifyBaseLogger } from 'fastify'
import type { Dispatcher } from 'undici'
import type { ExchangeTrace } from '../http/exchange-trace.ts'
import type { IssuerOptions } from '../schemas/options/jwt.ts'
import { fetchKeys } from './fetch-keys.ts'
import { ALGORITHMS, isSame, type Key } from './jwk.ts'
import { keysUnavailable } from './token-errors.ts'

export { ALGORITHMS, type Key } from './jwk.ts'

/**
 * Public keys of an issuer (RFC 7517), fetched with the first token and kept as one set. A key that leaves the set is
 * revoked, and with it every token that it verified. A set without a usable key counts as a failed fetch.
 *
 * One fetch at a time. Keys are refreshed in the background after `refreshAfter` and used up to `maxStale` while the issuer
 * is unavailable. Unknown keys cause one fetch per `cooldown`, and a few more for each client address.
 */
export interface Jwks {
  /**
   * Returns the first key that may have signed a token: with its `kid`, else without one; for a token without `kid` any
   * key of the algorithm. Undefined if there is no such key.
   * @throws SLUICE_KEYS_UNAVAILABLE (503) without usable keys, and for an unknown key if the issuer cannot be asked
   */
  find(kid: string | undefined, algorithm: string, asker?: Asker): Promise<Key | undefined>
  /** Refreshes keys that are due. Call it for tokens from a cache too. */
  touch(trace?: ExchangeTrace): void
  /** Undefined for a substitute. */
  state?(): JwksState
}

/** Times are ISO instants. */
export interface JwksState {
  /**
   * `unused`: no token has arrived, so nothing was fetched. `stale`: the last fetch failed; the earlier keys stay in use.
   * `unavailable`: tokens are rejected with 503.
   */
  state: 'unused' | 'ok' | 'stale' | 'unavailable'
  /** Number of usable keys. */
  keys: number
  fetchedAt?: string
  /** First failure since the last fetch that succeeded. */
  failingSince?: string
  lastError?: string
}

export interface Asker {
  /** Keys that did not sign the token. */
  tried?: readonly Key[]
  /** Address of the client. */
  from?: string | undefined
  /**
   * When the token came, by `performance.now()`. If given, `find` throws instead of returning undefined unless the keys were
   * fetched since, because the key may have been published meanwhile.
   */
  since?: number | undefined
  /** Gets the spans of a fetch. */
  trace?: ExchangeTrace | undefined
}

export interface JwksSurroundings {
  /** Default: undici's global one. */
  dispatcher?: Dispatcher
  /** Milliseconds of a monotonic clock: ages are intervals, and the wall clock may be set back. */
  now?: () => number
}

/** Milliseconds between a failed fetch and the next. */
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
  let shown: Pick<JwksState, 'fetchedAt' | 'failingSince' | 'lastError'> = {}
  /** Trace of the exchange that caused the pending fetch. */
  let fetching: ExchangeTrace | undefined

  return {
    async find(kid, algorithm, asker = {}) {
      if (!ALGORITHMS.includes(algorithm)) return undefined
      const { tried = [] } = asker
      const isFirst = fetchedAt === Number.NEGATIVE_INFINITY
      await refreshIfDue(asker.trace)
      if (now() - fetchedAt > timing.maxStale) throw keysUnavailable()
      const key = pick(kid, algorithm, tried)
      if (key !== undefined) return key
      // The key that the token names is known and did not sign it.
      if (kid !== undefined && tried.some(key => key.kid === kid)) return undefined
      if (isFirst) missedAt = now()
      return search(kid, algorithm, asker)
    },
    touch(trace) {
      void refreshIfDue(trace)
    },
    state() {
      const isUsable = now() - fetchedAt <= timing.maxStale
      const { failingSince } = shown
      const state =
        failingSince === undefined ? (isUsable ? 'ok' : 'unused') : isUsable ? 'stale' : 'unavailable'
      return { state, keys: isUsable ? keys.length : 0, ...shown }
    }
  }

  /** Returns a promise if the known keys must not be used before it settles. */
  function refreshIfDue(trace: ExchangeTrace | undefined): Promise<void> | undefined {
    const age = now() - fetchedAt
    if (age <= Math.min(timing.refreshAfter, timing.maxStale)) return undefined
    if (age > timing.maxStale) {
      revokeAll()
      return refresh(trace)
    }
    const refreshed = refresh(trace)
    // After a long pause without requests, this request waits for the refresh. Others do not if it failed: an issuer that
    // is down must not delay all of them.
    return age > timing.refreshAfter * 2 && failedAt < fetchedAt ? refreshed : undefined
  }

  /** Fetches the keys again, since an unknown key may be new. If it is, resets the cooldown. */
  async function search(
    kid: string | undefined,
    algorithm: string,
    { tried = [], from, since, trace }: Asker
  ): Promise<Key | undefined> {
    await pending
    let key = pick(kid, algorithm, tried)
    const isKnown = since !== undefined && startedAt >= since
    // Joins a fetch that another request has started.
    if (key === undefined && !isKnown && (pending !== undefined || mayFetch(from))) {
      await refresh(trace)
      key = pick(kid, algorithm, tried)
      if (key !== undefined) resetCooldown(from)
    }
    if (key !== undefined) return key
    if (failedAt > fetchedAt) throw keysUnavailable()
    if (since !== undefined && startedAt < since) throw keysUnavailable(missedAt + timing.cooldown - now())
    return undefined
  }

  /** Allows extra fetches for each address: invented key ids of one client must not hide a new key from other clients. */
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

  function resetCooldown(from: string | undefined): void {
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

  /** Never rejects: the known keys stay, and their age tells whether they may be used. */
  function refresh(trace: ExchangeTrace | undefined): Promise<void> {
    if (pending === undefined && now() - failedAt < BACKOFF) return Promise.resolve()
    if (pending === undefined) fetching = trace
    else if (fetching !== undefined && fetching !== trace)
      trace?.span.addLink({ context: fetching.span.spanContext() })
    const began = now()
    pending ??= fetchKeys(options, dispatcher, trace)
      .then(fetched => {
        replace(fetched)
        startedAt = began
        fetchedAt = now()
        shown = { fetchedAt: new Date().toISOString() }
      })
      .catch(error => {
        failedAt = now()
        shown = {
          ...shown,
          failingSince: shown.failingSince ?? new Date().toISOString(),
          lastError: reasonOf(error)
        }
        log.warn({ err: error, issuer }, 'keys cannot be fetched')
      })
      .finally(() => {
        pending = fetching = undefined
      })
    return pending
  }

  /** Keeps the objects of keys that stay, because verified tokens refer to them. */
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

/** Returns message and code of an error; that of `fetch` has the reason in its cause. */
function reasonOf({ message, cause }: Error): string {
  const { code, message: why } = (cause ?? {}) as Partial<NodeJS.ErrnoException>
  return [message, code ?? why]
    .filter(text => text !== undefined)
    .join(': ')
    .slice(0, MAX_REASON)
}

/** Characters. */
const MAX_REASON = 200
