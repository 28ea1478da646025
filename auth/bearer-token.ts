import { hash } from 'node:crypto'

/** RFC 6750, 2.1: any bearer token, valid or not. */
const BEARER = /^bearer\s+\S/i
/**
 * A JWS in compact form (RFC 7515, 7.1), whose first two parts begin like an encoded `{`. Anything else need not be
 * verified.
 */
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
 * Returns the cache key of a token. Covers all of it, since parts can be combined with other claims. A digest, since
 * tokens have 700 bytes or more and must not be kept in a usable form.
 */
export function digestOf(token: string): string {
  return hash('sha256', token, 'latin1')
}
