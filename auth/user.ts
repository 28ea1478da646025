import type { LruMap } from 'toad-cache'
import type { ClaimOptions } from '../schemas/options/jwt.ts'
import { consumerId } from './consumer.ts'

/** Symbols are not serialized, so a route that returns `request.user` does not disclose them. */
export const expires = Symbol('sluice.expires')
export const hasDefaultTier = Symbol('sluice.hasDefaultTier')
export const issuedBy = Symbol('sluice.issuedBy')

/** Frozen and shared by all requests with the same token. */
export interface User {
  readonly sub: string
  readonly email?: string
  readonly roles: readonly string[]
  readonly permissions: readonly string[]
  /** Tier of the token, else of the scope's consumer limit, else `free`. */
  readonly tier: string
  /** Epoch milliseconds when the token expires, `clockTolerance` included. */
  readonly [expires]?: number
  readonly [consumerId]?: string
  /** True if the token names no tier. */
  readonly [hasDefaultTier]?: true
  /** `iss` of the token. Undefined in an app with one issuer, where the subject alone is unique. */
  readonly [issuedBy]?: string
}

/** Claims that are checked; others have any type. */
export interface Claims extends Record<string, unknown> {
  iss: string
  sub: string
  exp: number
}

export interface UserOptions {
  /** Names of claims for each member, in order of preference. */
  claims: Record<keyof ClaimOptions, readonly string[]>
  /** Prefix of the consumer and value of `issuedBy`, in an app with several issuers. */
  issuer: { name: string; url: string } | undefined
  /** Cache that makes equal lists one object. */
  sets: LruMap<readonly string[]>
}

const MAX_NAMES = 100

/** Returns the names of the claims to read, in order of preference. */
export function listNames({
  email = 'email',
  roles = 'roles',
  permissions = ['permissions', 'scope', 'scp'],
  tier = 'tier'
}: ClaimOptions = {}): UserOptions['claims'] {
  return {
    email: [email].flat(),
    roles: [roles].flat(),
    permissions: [permissions].flat(),
    tier: [tier].flat()
  }
}

/**
 * Returns the user of verified claims. Ignores claims of an unexpected type.
 * @param end epoch milliseconds when the token expires
 */
export function toUser(claims: Claims, { claims: names, issuer, sets }: UserOptions, end: number): User {
  const { sub } = claims
  const email = claimNamed(claims, names.email)
  const tier = claimNamed(claims, names.tier)
  return Object.freeze({
    sub,
    [expires]: end,
    ...(issuer && { [consumerId]: `${issuer.name}/${sub}`, [issuedBy]: issuer.url }),
    ...(isHeaderSafe(email) && { email }),
    roles: toList(claimNamed(claims, names.roles), sets),
    permissions: toList(claimNamed(claims, names.permissions), sets),
    ...(isHeaderSafe(tier) ? { tier } : { tier: 'free', [hasDefaultTier]: true as const })
  })
}

/** Returns the user with another tier. */
export function withTier(user: User, tier: string): User {
  return user.tier === tier ? user : Object.freeze({ ...user, tier })
}

/** Returns the first of the named claims that is present. */
function claimNamed(claims: object, names: readonly string[]): unknown {
  for (const name of names) {
    const value = claimOf(claims, name) ?? claimOf(claims, ...name.split('.'))
    if (value !== undefined && value !== null) return value
  }
  return undefined
}

/** Returns own members only: `constructor` is not a claim unless the token has it. */
function claimOf(claims: object, ...path: string[]): unknown {
  let value: unknown = claims
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}

/** Returns the names in a list or in a space-separated string (RFC 6749, section 3.3). */
function toList(value: unknown, sets: LruMap<readonly string[]>): readonly string[] {
  const values = typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : []
  const names = values.filter(name => isHeaderSafe(name) && !name.includes(',')).slice(0, MAX_NAMES)
  const key = names.join()
  let set = sets.get(key)
  if (set === undefined) {
    set = Object.freeze(names)
    sets.set(key, set)
  }
  return set
}

/** True for printable ASCII without a space at either end, which all header parsers read alike. */
export function isHeaderSafe(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]([\x20-\x7e]{0,254}[\x21-\x7e])?$/.test(value)
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Undefined in a scope without `jwt`. `AuthenticatedInstance` types the routes of one with it. */
    user: User | undefined
  }
}

// The same type for @fastify/jwt, which declares `user` too.
declare module '@fastify/jwt' {
  interface FastifyJWT {
    user: User | undefined
  }
}
