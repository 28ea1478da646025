import { createPublicKey } from 'node:crypto'
import createError from '@fastify/error'
import type { FastifyBaseLogger } from 'fastify'
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
  /** @throws TokenInvalid's cause: undefined for a key that is not there. @throws KeysUnavailable without any keys. */
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
const EC: Record<string, string[]> = { 'P-256': ['ES256'], 'P-384': ['ES384'], 'P-521': ['ES512'] }
const OKP: Record<string, string[]> = { Ed25519: ['EdDSA'], Ed448: ['EdDSA'] }
export const ALGORITHMS: readonly string[] = [...RSA, 'ES256', 'ES384', 'ES512', 'EdDSA']

export function createJwks(
  options: IssuerOptions,
  log: FastifyBaseLogger,
  now: () => number = Date.now
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
      const age = now() - fetchedAt
      // Idle for long: what was refreshed in the background of no request is refreshed before this one.
      if (age > timing.refreshAfter * 2) await refresh()
      else if (age > timing.refreshAfter) void refresh()
      if (now() - fetchedAt > timing.maxStale) {
        revokeAll()
        throw unavailable()
      }
      const key = pick(kid, algorithm)
      if (key !== undefined || now() - missedAt < timing.cooldown) return key
      missedAt = now()
      await refresh()
      return pick(kid, algorithm)
    },
    touch() {
      const age = now() - fetchedAt
      if (age <= timing.refreshAfter) return
      if (age > timing.maxStale) revokeAll()
      void refresh()
    }
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
    const known = new Map(keys.map(key => [`${key.kid} ${key.algorithms} ${key.pem}`, key]))
    const next = fetched.map(key => {
      const id = `${key.kid} ${key.algorithms} ${key.pem}`
      const same = known.get(id)
      known.delete(id)
      return same ?? key
    })
    for (const gone of known.values()) gone.revoked = true
    keys = next
  }

  function revokeAll(): void {
    for (const key of keys) key.revoked = true
    keys = []
  }
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

/** Undefined for what is no key to verify with: symmetric, weak, for encryption, or malformed. */
function toKey(jwk: Jwk): Key | undefined {
  if (typeof jwk !== 'object' || jwk === null || (jwk.use !== undefined && jwk.use !== 'sig'))
    return undefined
  const possible =
    jwk.kty === 'RSA'
      ? RSA
      : jwk.kty === 'EC'
        ? EC[jwk.crv ?? '']
        : jwk.kty === 'OKP'
          ? OKP[jwk.crv ?? '']
          : undefined
  const algorithms = possible?.filter(algorithm => jwk.alg === undefined || jwk.alg === algorithm)
  if (!algorithms?.length) return undefined
  try {
    const key = createPublicKey({ key: jwk as never, format: 'jwk' })
    // RFC 7518, 3.3
    if (jwk.kty === 'RSA' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < 2048) return undefined
    return {
      kid: jwk.kid,
      algorithms,
      pem: key.export({ type: 'spki', format: 'pem' }).toString(),
      revoked: false
    }
  } catch {
    return undefined
  }
}
