import { createPublicKey } from 'node:crypto'
import createError from '@fastify/error'
import type { FastifyBaseLogger } from 'fastify'
import { fetch } from 'undici'
import type { IssuerOptions } from '../../schemas/jwt.ts'
import { isTrustedUrl } from '../../schemas/url.ts'
import type { ProblemError } from '../problem.ts'

/**
 * An issuer's public keys (RFC 7517), fetched when first needed and kept as one set: a key that is gone from the set
 * is revoked, and with it every token it verified.
 *
 * One fetch at a time. Keys are refreshed in the background once `refreshAfter` has passed, used on while the issuer
 * is away, up to `maxStale`, and a key id that is not known causes a fetch at most once a `cooldown`.
 */
export interface Jwks {
  /**
   * Undefined for a key that is not there.
   * @throws Unavailable, a 503, without keys that may be used, and for an unknown one while the issuer cannot be asked.
   */
  find(kid: string | undefined, algorithm: string): Promise<Key | undefined>
  /** To be told of use, so that the keys are refreshed also while every token comes from a cache. */
  touch(): void
}

export interface Key {
  kid: string | undefined
  algorithms: readonly string[]
  /** SPKI, for @fastify/jwt, which keeps a verifier a PEM. */
  pem: string
  /** Set once the key is gone from the set, or the set itself is too old to be trusted. */
  revoked: boolean
}

interface Jwk {
  kty?: string
  crv?: string
  kid?: string
  alg?: string
  use?: string
  key_ops?: string[]
  d?: string
}

const Unavailable = createError(
  'SLUICE_KEYS_UNAVAILABLE',
  'Tokens cannot be verified at the moment',
  503,
  Error,
  false
)

const MAX_BYTES = 1_048_576
const MAX_KEYS = 100
/** Milliseconds to wait after a fetch that failed. */
const BACKOFF = 1_000

const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const ALGORITHMS_OF = new Map([
  ['RSA', RSA],
  ['EC P-256', ['ES256']],
  ['EC P-384', ['ES384']],
  ['EC P-521', ['ES512']],
  ['OKP Ed25519', ['EdDSA']],
  ['OKP Ed448', ['EdDSA']]
])
export const ALGORITHMS: readonly string[] = [...new Set([...ALGORITHMS_OF.values()].flat())]

export function createJwks(
  options: IssuerOptions,
  log: FastifyBaseLogger,
  // Monotonic: ages are intervals, and the wall clock may be set back.
  now: () => number = () => performance.now()
): Jwks {
  const { issuer, jwks: timing } = options
  let keys: Key[] = []
  let fetchedAt = Number.NEGATIVE_INFINITY
  let failedAt = Number.NEGATIVE_INFINITY
  let missedAt = Number.NEGATIVE_INFINITY
  let pending: Promise<void> | undefined

  return {
    async find(kid, algorithm) {
      if (!ALGORITHMS.includes(algorithm)) return undefined
      const isFirst = fetchedAt === Number.NEGATIVE_INFINITY
      await freshen()
      if (now() - fetchedAt > timing.maxStale) throw unavailable()
      const key = pick(kid, algorithm)
      if (key !== undefined) return key
      if (isFirst) missedAt = now()
      return search(kid, algorithm)
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

  /** A key that is not known may be new. If it is, that is no miss: the next new one need not wait for a cooldown. */
  async function search(kid: string | undefined, algorithm: string): Promise<Key | undefined> {
    await pending
    let key = pick(kid, algorithm)
    if (key === undefined && now() - missedAt >= timing.cooldown) {
      missedAt = now()
      await refresh()
      key = pick(kid, algorithm)
      if (key !== undefined) missedAt = Number.NEGATIVE_INFINITY
    }
    if (key === undefined && failedAt > fetchedAt) throw unavailable()
    return key
  }

  /** A token without `kid` is served by the one key that could have signed it, if there is just one. */
  function pick(kid: string | undefined, algorithm: string): Key | undefined {
    const fitting = keys.filter(
      key => key.algorithms.includes(algorithm) && (kid === undefined || key.kid === kid)
    )
    return fitting.length === 1 || kid !== undefined ? fitting[0] : undefined
  }

  /** Never rejects: the keys at hand stand, and their age says what they are worth. */
  function refresh(): Promise<void> {
    if (pending === undefined && now() - failedAt < BACKOFF) return Promise.resolve()
    pending ??= fetchKeys(options)
      .then(fetched => {
        replace(fetched)
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

function isSame(one: Key, other: Key): boolean {
  return one.kid === other.kid && one.pem === other.pem && `${one.algorithms}` === `${other.algorithms}`
}

function unavailable(): ProblemError {
  const error: ProblemError = new Unavailable()
  error.headers = { 'retry-after': '1' }
  return error
}

async function fetchKeys({ issuer, jwksUri, jwks: { timeout } }: IssuerOptions): Promise<Key[]> {
  const signal = AbortSignal.timeout(timeout)
  const uri = jwksUri ?? (await discover(issuer, signal))
  const { keys } = (await fetchJson(uri, signal)) as { keys?: unknown }
  if (!Array.isArray(keys)) throw new Error(`${uri} is no JWK Set`)
  return keys.slice(0, MAX_KEYS).flatMap(jwk => toKey(jwk) ?? [])
}

/** OpenID Connect Discovery 1.0, 4.3: the document must be about the issuer that was asked for. */
async function discover(issuer: string, signal: AbortSignal): Promise<string> {
  const uri = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const document = (await fetchJson(uri, signal)) as { issuer?: unknown; jwks_uri?: unknown }
  if (document.issuer !== issuer) throw new Error(`${uri} speaks for another issuer`)
  if (typeof document.jwks_uri !== 'string' || !isTrustedUrl(document.jwks_uri))
    throw new Error(`${uri} names no https jwks_uri`)
  return document.jwks_uri
}

async function fetchJson(uri: string, signal: AbortSignal): Promise<object> {
  const response = await fetch(uri, { signal, redirect: 'error', headers: { accept: 'application/json' } })
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > MAX_BYTES) throw new Error(`${uri} answered more than ${MAX_BYTES} bytes`)
    chunks.push(chunk)
  }
  if (response.status !== 200) throw new Error(`${uri} answered ${response.status}`)
  const json: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  if (typeof json !== 'object' || json === null) throw new Error(`${uri} answered no JSON object`)
  return json
}

/** Undefined for what is no key to verify with: symmetric, private, weak, for encryption, or malformed. */
function toKey(jwk: Jwk): Key | undefined {
  try {
    const { kty, crv, kid, alg, use = 'sig', key_ops: operations = ['verify'], d } = jwk
    const algorithms = ALGORITHMS_OF.get(kty === 'RSA' ? kty : `${kty} ${crv}`)?.filter(
      algorithm => alg === undefined || alg === algorithm
    )
    if (!algorithms?.length || use !== 'sig' || !operations.includes('verify') || d !== undefined)
      return undefined
    const key = createPublicKey({ key: jwk as never, format: 'jwk' })
    // RFC 7518, 3.3
    if (kty === 'RSA' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < 2048) return undefined
    return { kid, algorithms, pem: key.export({ type: 'spki', format: 'pem' }).toString(), revoked: false }
  } catch {
    return undefined
  }
}
