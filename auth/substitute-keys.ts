import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { ALGORITHMS, type Jwks, type Key } from './jwks.ts'

/** Replaces an issuer's keys, so that the gateway checks everything about a token except who signed it. */
export interface SubstituteKeys {
  /** Verifies tokens from `resign` and `issue`. */
  jwks: Jwks
  /** Signs a token again, with the same header and claims. Returns tokens that no issuer could sign (`none`, HS256) as is. */
  resign(token: string): string
  /** Returns a signed token with these claims. */
  issue(claims: object): string
}

interface KeyPair {
  privateKey: KeyObject
  pem: string
}

const CURVES: Record<string, string> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }

export function createSubstituteKeys(): SubstituteKeys {
  const pairs = new Map<string, KeyPair>()

  return {
    jwks: {
      async find(kid, algorithm, { tried = [] } = {}): Promise<Key | undefined> {
        if (!ALGORITHMS.includes(algorithm) || tried.length > 0) return undefined
        return { kid, algorithms: [algorithm], pem: pairOf(algorithm).pem, revoked: false }
      },
      touch() {}
    },
    resign(token) {
      const [header = '', claims = '', signature] = token.split('.')
      const algorithm = algorithmOf(header)
      return signature === undefined || algorithm === undefined
        ? token
        : addSignature(`${header}.${claims}`, algorithm)
    },
    issue(claims) {
      const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
      return addSignature(`${encode({ alg: 'ES256', typ: 'at+jwt' })}.${encode(claims)}`, 'ES256')
    }
  }

  function addSignature(text: string, algorithm: string): string {
    const { privateKey } = pairOf(algorithm)
    const hash = algorithm.startsWith('Ed') ? null : `sha${algorithm.slice(2)}`
    const signature = sign(hash, Buffer.from(text), {
      key: privateKey,
      ...(algorithm.startsWith('PS') && {
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_DIGEST
      }),
      ...(algorithm.startsWith('ES') && { dsaEncoding: 'ieee-p1363' as const })
    })
    return `${text}.${signature.toString('base64url')}`
  }

  function pairOf(algorithm: string): KeyPair {
    const kind = CURVES[algorithm] ?? (algorithm.startsWith('Ed') ? 'ed25519' : 'rsa')
    let pair = pairs.get(kind)
    if (pair === undefined) {
      const { privateKey, publicKey } =
        kind === 'rsa'
          ? generateKeyPairSync('rsa', { modulusLength: 2048 })
          : kind === 'ed25519'
            ? generateKeyPairSync('ed25519')
            : generateKeyPairSync('ec', { namedCurve: kind })
      pair = { privateKey, pem: publicKey.export({ type: 'spki', format: 'pem' }).toString() }
      pairs.set(kind, pair)
    }
    return pair
  }
}

function algorithmOf(header: string): string | undefined {
  try {
    const { alg } = JSON.parse(Buffer.from(header, 'base64url').toString('utf8'))
    return ALGORITHMS.includes(alg) ? alg : undefined
  } catch {
    return undefined
  }
}
