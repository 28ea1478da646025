import { LruMap } from 'toad-cache'
import type { ProblemError } from '../http/problem.ts'
import type { Key } from './jwks.ts'
import type { User } from './user.ts'

export interface VerifiedToken {
  user: User
  /** Epoch milliseconds, `clockTolerance` included. */
  expires: number
  key: Key
}

interface Rejection {
  error: ProblemError
  /**
   * By `performance.now()`. The time to live of LruMap uses the wall clock: if that is set back, a good token would be
   * rejected for longer.
   */
  until: number
}

const MAX_REJECTED = 1_000
/** Lists of roles and permissions, which most tokens share with others. */
const MAX_SETS = 100
/** Milliseconds. */
const REJECTED_TTL = 10_000

/** Tokens that were verified or rejected, by digest. Bounded. */
export class TokenCache {
  readonly sets = new LruMap<readonly string[]>(MAX_SETS)
  readonly #verified: LruMap<VerifiedToken> | undefined
  readonly #rejected = new LruMap<Rejection>(MAX_REJECTED)

  /** @param size verified tokens that are kept at most; 0 keeps none */
  constructor(size: number) {
    // LruMap takes 0 for no limit.
    if (size > 0) this.#verified = new LruMap(size)
  }

  /** Returns the token while neither it nor its key has expired. */
  find(digest: string): VerifiedToken | undefined {
    const known = this.#verified?.get(digest)
    if (known === undefined) return undefined
    if (!known.key.revoked && Date.now() <= known.expires) return known
    this.#verified?.delete(digest)
    return undefined
  }

  add(digest: string, token: VerifiedToken): void {
    this.#verified?.set(digest, token)
  }

  /** Returns the error of a token that was rejected within the last 10 s. */
  rejection(digest: string): ProblemError | undefined {
    const rejection = this.#rejected.get(digest)
    return rejection !== undefined && performance.now() < rejection.until ? rejection.error : undefined
  }

  /** Remembers a token that stays invalid. Not for a token with an unknown key or a future `nbf`. */
  reject(digest: string, error: ProblemError): void {
    this.#rejected.set(digest, { error, until: performance.now() + REJECTED_TTL })
  }
}
