import { createPublicKey, type KeyObject } from 'node:crypto'

/** A key that verifies tokens, read from a JWK (RFC 7517). */
export interface Key {
  kid: string | undefined
  algorithms: readonly string[]
  /** SPKI, for @fastify/jwt, which keeps one verifier for each PEM. */
  pem: string
  /** True once the key has left the set, or the set is too old. */
  revoked: boolean
}

/** Members that are null count as missing, because some serializers write them. */
interface Jwk {
  kty?: string
  crv?: string | null
  kid?: string | null
  alg?: string | null
  use?: string | null
  key_ops?: unknown
  d?: string | null
  n?: unknown
  e?: unknown
  x?: unknown
  y?: unknown
}

const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const ALGORITHMS_OF = new Map([
  ['RSA', RSA],
  ['EC P-256', ['ES256']],
  ['EC P-384', ['ES384']],
  ['EC P-521', ['ES512']],
  // RFC 9864 gives each curve its own name; `EdDSA` means either.
  ['OKP Ed25519', ['EdDSA', 'Ed25519']],
  ['OKP Ed448', ['EdDSA', 'Ed448']]
])
export const ALGORITHMS: readonly string[] = [...new Set([...ALGORITHMS_OF.values()].flat())]

export function isSame(one: Key, other: Key): boolean {
  return one.kid === other.kid && one.pem === other.pem && `${one.algorithms}` === `${other.algorithms}`
}

/**
 * Returns the key, or undefined if it cannot or must not verify: symmetric, private, weak, for encryption, or malformed.
 */
export function toKey(jwk: Jwk): Key | undefined {
  try {
    const { kty, crv, kid, alg, use, key_ops: operations, d, n, e, x, y } = jwk
    if ((use ?? 'sig') !== 'sig' || (d ?? undefined) !== undefined) return undefined
    if (!isNullish(operations) && !(Array.isArray(operations) && operations.includes('verify')))
      return undefined
    if (!isNullish(kid) && typeof kid !== 'string') return undefined
    const algorithms = algorithmsOf(kty === 'RSA' ? kty : `${kty} ${crv}`, alg ?? undefined)
    if (algorithms.length === 0) return undefined
    const key = createPublicKey({ key: { kty, crv, n, e, x, y } as never, format: 'jwk' })
    if (kty === 'RSA' && isWeak(key)) return undefined
    return {
      kid: kid ?? undefined,
      algorithms,
      pem: key.export({ type: 'spki', format: 'pem' }).toString(),
      revoked: false
    }
  } catch {
    return undefined
  }
}

function isNullish(value: unknown): value is null | undefined {
  return value === null || value === undefined
}

function algorithmsOf(type: string, alg: string | undefined): readonly string[] {
  const algorithms = ALGORITHMS_OF.get(type) ?? []
  if (alg === undefined) return algorithms
  if (!algorithms.includes(alg)) return []
  return type.startsWith('OKP ') ? algorithms : [alg]
}

/** RFC 7518, section 3.3, and RFC 8017, section 3.1: an exponent is odd and at least 3. */
function isWeak({ asymmetricKeyDetails }: KeyObject): boolean {
  const { modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails ?? {}
  return modulusLength < 2048 || publicExponent < 3n || publicExponent % 2n === 0n
}
