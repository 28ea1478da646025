import { hash } from 'node:crypto'

/** RFC 6750, 2.1. Matches invalid tokens too. */
const BEARER = /^bearer\s+\S/i
/** A JWS in compact form (RFC 7515, 7.1): its first two parts begin like an encoded `{`. */
const JWS = /^e[w-z][\w-]*\.e[w-z][\w-]*\.[\w-]*$/
const SPACE = 32

export function isBearer(authorization: string): boolean {
  return BEARER.test(authorization)
}

export function isJws(token: string): boolean {
  return JWS.test(token)
}

/** Returns the token after the scheme and its spaces. */
export function tokenOf(authorization = ''): string {
  let start = 6
  while (authorization.charCodeAt(start) === SPACE) start++
  return start === 6 ? '' : authorization.slice(start)
}

/**
 * Returns the cache key of a token: a digest of all of it, because parts can be combined with other claims, and because
 * tokens have 700 bytes or more and must not be kept in a usable form.
 */
export function digestOf(token: string): string {
  return hash('sha256', token, 'latin1')
}
