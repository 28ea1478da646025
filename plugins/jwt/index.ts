import { hash } from 'node:crypto'
import createError from '@fastify/error'
import fastifyJwt from '@fastify/jwt'
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { LruMap } from 'toad-cache'
import type { IssuerOptions } from '../../schemas/jwt.ts'
import { describeRoutes } from '../described.ts'
import { type ProblemError, typeOf } from '../problem.ts'
import { ALGORITHMS, createJwks, type Key } from './jwks.ts'

/**
 * JWT validation (RFC 7519, 8725, 9068). `issuers` makes the issuers of the config known to the gateway; `jwt` guards
 * a scope with one of them, after which `request.user` is the token's.
 *
 * ```ts
 * await app.register(jwt, { issuer: 'shop' })
 * ```
 *
 * A token is verified once, by @fastify/jwt, and remembered until it expires or its key is gone.
 * Errors: 401 with `WWW-Authenticate` (RFC 6750) as missing, expired or invalid; 503 if no keys can be had.
 */
export interface JwtOptions {
  /** A name from the config's `issuers`. */
  issuer: string
}

/** What is for the gateway alone is no member that a route could show by mistake. */
export const expires = Symbol('sluice.expires')

/** Frozen: every request with the same token has the same one. */
export interface User {
  readonly sub: string
  readonly email?: string
  readonly roles: readonly string[]
  readonly permissions: readonly string[]
  /** As the token says it; the rate limit takes an unknown one for the scope's own. */
  readonly tier: string
  /** Milliseconds since the epoch up to which the token is good, `clockTolerance` included. */
  readonly [expires]?: number
}

const TokenMissing = createError('SLUICE_TOKEN_MISSING', 'Missing authorization token', 401, Error, false)
const TokenExpired = createError('SLUICE_TOKEN_EXPIRED', 'Token expired', 401, Error, false)
const TokenInvalid = createError('SLUICE_TOKEN_INVALID', 'Invalid token', 401, Error, false)
const Forbidden = createError('SLUICE_FORBIDDEN', 'Not allowed', 403, Error, false)

/** RFC 6750, 2.1: a token, be it a good one or not. */
const BEARER = /^bearer\s+\S/i
/**
 * A JWS in its compact form (RFC 7515, 7.1) whose first two parts begin as an encoded `{` does: what is none need not be
 * looked into.
 */
const JWS = /^e[w-z][\w-]*\.e[w-z][\w-]*\.[\w-]*$/
/** Of access tokens, and of issuers that do not tell them from others (RFC 9068, 2.1; RFC 7519, 5.1). */
const TYPE = /^(application\/)?(at\+)?jwt$/i
/** Bytes: beyond this no cache should hold it, and no issuer makes it. */
const MAX_TOKEN = 8_192

const SPACE = 32
const MAX_REFUSED = 1_000
/** Sets of roles and of permissions: most tokens have one that others have too. */
const MAX_SETS = 100
/** Milliseconds. */
const REFUSED_TTL = 10_000

interface VerifiedToken {
  user: User
  /** Milliseconds since the epoch. */
  expires: number
  key: Key
}

interface Refusal {
  error: ProblemError
  /**
   * By `performance.now()`. LruMap's own time to live uses the wall clock: setting that back would refuse a good token
   * for longer.
   */
  until: number
}

interface Decoded {
  header: { alg: string; kid?: unknown; typ?: unknown; crit?: unknown }
}

/** What @fastify/jwt has seen to; the rest is of any type. */
interface Claims extends Record<string, unknown> {
  sub: string
  exp: number
}

export interface IssuersOptions {
  /** By name. */
  issuers: Record<string, IssuerOptions>
  createKeys?: typeof createJwks | undefined
}

const tokenKey = Symbol('sluice.tokenKey')

export const issuers = fp(
  async function issuers(
    fastify: FastifyInstance,
    { issuers: options, createKeys = createJwks }: IssuersOptions
  ) {
    const guards = new Map<string, onRequestHookHandler>()
    fastify.decorateRequest(tokenKey)
    for (const [name, issuer] of Object.entries(options))
      guards.set(name, await createGuard(fastify, name, issuer, createKeys))

    fastify.decorate('authenticate', (name: string) => {
      const guard = guards.get(name)
      if (guard === undefined)
        throw new Error(`no issuer is named '${name}'; there are: ${[...guards.keys()].join(', ')}`)
      return guard
    })
  },
  { name: 'sluice-issuers', fastify: '5.x' }
)

async function jwt(fastify: FastifyInstance, { issuer }: JwtOptions) {
  fastify.addHook('onRequest', fastify.authenticate(issuer))
  describeRoutes(fastify, { issuer })
}

export default fp(jwt, { name: 'sluice-jwt', fastify: '5.x', dependencies: ['sluice-issuers'] })

// They say nothing of a request, so one of each will do: an error costs as much as the rest of a refusal.
const missing = unauthorized(new TokenMissing(), 'Bearer')
const invalid = unauthorized(new TokenInvalid(), 'Bearer error="invalid_token"')
const expired = unauthorized(new TokenExpired(), 'Bearer error="invalid_token", error_description="expired"')

async function createGuard(
  fastify: FastifyInstance,
  name: string,
  options: IssuerOptions,
  createKeys: typeof createJwks
): Promise<onRequestHookHandler> {
  const jwks = createKeys(options, fastify.log)
  // Tokens that will not become good. One whose key is not known, or whose time has not come, may.
  const refused = new LruMap<Refusal>(MAX_REFUSED)
  const sets = new LruMap<readonly string[]>(MAX_SETS)
  // LruMap takes 0 for no limit.
  const tokens = options.cache > 0 ? new LruMap<VerifiedToken>(options.cache) : undefined
  const verify = `${name}JwtVerify` as 'jwtVerify'

  await fastify.register(fastifyJwt, {
    namespace: name,
    jwtVerify: verify,
    jwtDecode: `${name}JwtDecode`,
    jwtSign: `${name}JwtSign`,
    decode: { complete: true },
    secret: (async (request: FastifyRequest, { header: { alg, kid, typ, crit } }: Decoded) => {
      if (kid !== undefined && typeof kid !== 'string') throw new TokenInvalid()
      if (typ !== undefined && !(typeof typ === 'string' && TYPE.test(typ))) throw new TokenInvalid()
      // No extension is understood here (RFC 7515, 4.1.11).
      if (crit !== undefined) throw new TokenInvalid()
      const key = await jwks.find(kid, alg)
      if (key === undefined) throw new TokenInvalid()
      request[tokenKey] = key
      return key.pem
    }) as never,
    verify: {
      algorithms: ALGORITHMS as never,
      allowedIss: options.issuer,
      allowedAud: options.audience,
      requiredClaims: ['iss', 'aud', 'exp', 'sub'],
      clockTolerance: options.clockTolerance,
      extractToken: request => tokenOf(request.headers.authorization)
    },
    trusted: (_request, claims) => isHeaderSafe((claims as Claims).sub)
  })

  // Not async: a token that is known, as most are, costs no promise.
  return function authenticate(request, _reply, done) {
    const { authorization } = request.headers
    if (authorization === undefined || !BEARER.test(authorization)) return done(missing)
    if (authorization.length > MAX_TOKEN) return done(invalid)
    const token = tokenOf(authorization)
    const digest = digestOf(token)
    const known = tokens?.get(digest)
    if (known !== undefined) {
      jwks.touch()
      if (!known.key.revoked && Date.now() <= known.expires) {
        request.user = known.user
        return done()
      }
      tokens?.delete(digest)
    }
    const refusal = refused.get(digest)
    if (refusal !== undefined && performance.now() < refusal.until) return done(refusal.error)
    // Of a token that is known this has been seen, and it takes as long as the digest.
    if (!JWS.test(token)) return done(invalid)
    verifyToken(request, digest).then(claims => {
      const end = claims.exp * 1000 + options.clockTolerance
      request.user = toUser(claims, sets, end)
      tokens?.set(digest, {
        user: request.user,
        expires: end,
        key: request[tokenKey] as Key
      })
      done()
    }, done)
  }

  async function verifyToken(request: FastifyRequest, digest: string): Promise<Claims> {
    try {
      return await request[verify]()
    } catch (error) {
      const { code, statusCode } = error as ProblemError
      if (statusCode === 503) throw error
      request.log.debug({ err: error }, 'token refused')
      const refusal = code === 'FST_JWT_AUTHORIZATION_TOKEN_EXPIRED' ? expired : invalid
      if (code?.startsWith('FST_JWT_AUTHORIZATION_TOKEN_'))
        refused.set(digest, { error: refusal, until: performance.now() + REFUSED_TTL })
      throw refusal
    }
  }
}

/**
 * What a token is remembered by. All of it counts, since a part could be had with other claims; and a token has 700 bytes
 * or more, of which nothing should be kept that could be used.
 */
function digestOf(token: string): string {
  return hash('sha256', token, 'latin1')
}

/** What comes behind the scheme and its spaces. */
function tokenOf(authorization = ''): string {
  let start = 6
  while (authorization.charCodeAt(start) === SPACE) start++
  return start === 6 ? '' : authorization.slice(start)
}

function unauthorized(error: ProblemError, challenge: string): ProblemError {
  error.headers = { 'www-authenticate': challenge }
  error.problem = { type: typeOf(error.code) }
  return error
}

/** 403 with what was lacking (RFC 6750, 3.1), for a route's own rules. */
export function forbidden(): ProblemError {
  return unauthorized(new Forbidden(), 'Bearer error="insufficient_scope"')
}

/** Claims are the issuer's, so they are read as they should be and dropped where they are not. */
function toUser(
  { sub, email, roles, permissions, scope, tier }: Claims,
  sets: LruMap<readonly string[]>,
  end: number
): User {
  return Object.freeze({
    sub,
    [expires]: end,
    ...(isHeaderSafe(email) && { email }),
    roles: names(roles, sets),
    permissions: names(permissions ?? (typeof scope === 'string' ? scope.split(' ') : undefined), sets),
    tier: isHeaderSafe(tier) ? tier : 'free'
  })
}

/** The same list for the same names. */
function names(value: unknown, sets: LruMap<readonly string[]>): readonly string[] {
  const values = Array.isArray(value) ? value.slice(0, 100) : []
  const names = values.filter(name => isHeaderSafe(name) && !name.includes(','))
  const key = names.join()
  let set = sets.get(key)
  if (set === undefined) sets.set(key, (set = Object.freeze(names)))
  return set
}

/** Printable ASCII with nothing to trim, so that it means the same in every header parser. */
function isHeaderSafe(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]([\x20-\x7e]{0,254}[\x21-\x7e])?$/.test(value)
}

declare module '@fastify/jwt' {
  interface FastifyJWT {
    user: User
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    /** A hook that lets only requests through whose token the issuer of that name has signed. */
    authenticate(issuer: string): onRequestHookHandler
  }
  interface FastifyRequest {
    [tokenKey]?: Key
  }
}
