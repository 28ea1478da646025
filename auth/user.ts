import type { LruMap } from 'toad-cache'
import type { ClaimOptions } from '../schemas/options/jwt.ts'
import { consumerId } from './consumer.ts'

/** Symbols are not serialized: a route that answers `request.user` does not show them. */
export const expires = Symbol('sluice.expires')
export const hasDefaultTier = Symbol('sluice.hasDefaultTier')
export const issuedBy = Symbol('sluice.issuedBy')

/** Frozen and shared by all requests with the same token. */
export interface User {
  readonly sub: string
  readonly email?: string
  readonly roles: readonly string[]
  readonly permissions: readonly string[]
  /** The token's, else the tier of the scope's consumer limit, else `free`. */
  readonly tier: string
  /** Epoch milliseconds of the token's end, `clockTolerance` included. */
  readonly [expires]?: number
  readonly [consumerId]?: string
  /** True if the token names no tier. */
  readonly [hasDefaultTier]?: true
  /** The `iss`. Undefined where the config has one issuer only, since the subject alone is unique there. */
  readonly [issuedBy]?: string
}

/** Claims that @fastify/jwt has checked; the others are of any type. */
export interface Claims extends Record<string, unknown> {
  iss: string
  sub: string
  exp: number
}

export interface UserOptions {
  /** Names in the order in which they are looked for. */
  claims: Record<keyof ClaimOptions, readonly string[]>
  /** Prefix of the consumer and value of `issuedBy`, where the config has several issuers. */
  issuer: { name: string; url: string } | undefined
  /** Lists that tokens have in common, so that equal ones are one object. */
  sets: LruMap<readonly string[]>
}

const MAX_NAMES = 100

/** Returns the claims to look for, in order. */
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

/** Reads a user from verified claims; a claim of another type than expected is ignored. `end`: see `User[expires]`. */
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

/** Returns `user` in the tier of the scope, for a token that names none. */
export function withTier(user: User, tier: string): User {
  return user.tier === tier ? user : Object.freeze({ ...user, tier })
}

/** Returns the first of these claims that is present. */
function claimNamed(claims: object, names: readonly string[]): unknown {
  for (const name of names) {
    const value = claimOf(claims, name) ?? claimOf(claims, ...name.split('.'))
    if (value !== undefined && value !== null) return value
  }
  return undefined
}

/** Own members only: `constructor` is no claim unless the token has it. */
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

/** Printable ASCII without space at either end, so that every header parser reads the same. */
export function isHeaderSafe(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]([\x20-\x7e]{0,254}[\x21-\x7e])?$/.test(value)
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Also declared by @fastify/jwt, whose types an app need not load. */
    user: User
  }
}
