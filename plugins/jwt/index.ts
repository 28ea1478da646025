import createError from '@fastify/error'
import fastifyJwt from '@fastify/jwt'
import type { FastifyInstance, FastifyRequest, onRequestAsyncHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { LruMap } from 'toad-cache'
import type { IssuerOptions } from '../../schemas/jwt.ts'
import type { ProblemError } from '../problem.ts'
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

export interface User {
  sub: string
  email?: string
  roles: string[]
  permissions: string[]
  /** As the token says it; the rate limit takes an unknown one for the scope's own. */
  tier: string
}

const TokenMissing = createError('SLUICE_TOKEN_MISSING', 'Missing authorization token', 401, Error, false)
const TokenExpired = createError('SLUICE_TOKEN_EXPIRED', 'Token expired', 401, Error, false)
const TokenInvalid = createError('SLUICE_TOKEN_INVALID', 'Invalid token', 401, Error, false)
const Forbidden = createError('SLUICE_FORBIDDEN', 'Not allowed', 403, Error, false)

/** RFC 9110, 11.2 and RFC 6750, 2.1. */
const BEARER = /^bearer +([\w.~+/-]+=*) *$/i
const ANY_BEARER = /^bearer(\s|$)/i
/** Bytes: beyond this no cache should hold it, and no issuer makes it. */
const MAX_TOKEN = 8_192

interface VerifiedToken {
  user: User
  /** Milliseconds since the epoch. */
  expires: number
  key: Key
}

interface Decoded {
  header: { kid?: unknown; alg: string; typ?: unknown }
  payload: { exp: number }
}

const tokenKey = Symbol('sluice.tokenKey')

export const issuers = fp(
  async function issuers(fastify: FastifyInstance, options: Record<string, IssuerOptions>) {
    const guards = new Map<string, onRequestAsyncHookHandler>()
    fastify.decorateRequest(tokenKey)
    for (const [name, issuer] of Object.entries(options))
      guards.set(name, await createGuard(fastify, name, issuer))

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
}

export default fp(jwt, { name: 'sluice-jwt', fastify: '5.x', dependencies: ['sluice-issuers'] })

async function createGuard(
  fastify: FastifyInstance,
  name: string,
  options: IssuerOptions
): Promise<onRequestAsyncHookHandler> {
  const jwks = createJwks(options, fastify.log)
  const tokens = new LruMap<VerifiedToken>(Math.max(1, options.cache))
  const verify = `${name}JwtVerify` as 'jwtVerify'

  await fastify.register(fastifyJwt, {
    namespace: name,
    jwtVerify: verify,
    jwtDecode: `${name}JwtDecode`,
    jwtSign: `${name}JwtSign`,
    decode: { complete: true },
    secret: (async (request: FastifyRequest, { header }: Decoded) => {
      if (header.kid !== undefined && typeof header.kid !== 'string') throw new TokenInvalid()
      if (header.typ !== undefined && !/^(application\/)?(at\+)?jwt$/i.test(String(header.typ)))
        throw new TokenInvalid()
      const key = await jwks.find(header.kid, header.alg)
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
      errorCacheTTL: 0
    }
  })

  return async function authenticate(request) {
    const { authorization } = request.headers
    if (authorization === undefined || !ANY_BEARER.test(authorization))
      throw unauthorized(new TokenMissing(), 'Bearer')
    const token = authorization.length <= MAX_TOKEN ? BEARER.exec(authorization)?.[1] : undefined
    if (token === undefined) throw unauthorized(new TokenInvalid(), INVALID)

    const known = tokens.get(token)
    if (known !== undefined) {
      jwks.touch()
      if (!known.key.revoked && Date.now() <= known.expires) {
        request.user = known.user
        return
      }
      tokens.delete(token)
    }
    const claims = await verifyToken(request)
    const user = toUser(claims)
    request.user = user
    tokens.set(token, {
      user,
      expires: Number(claims.exp) * 1000 + options.clockTolerance,
      key: request[tokenKey] as Key
    })
  }

  async function verifyToken(request: FastifyRequest): Promise<Record<string, unknown>> {
    try {
      return await request[verify]()
    } catch (error) {
      const { code, statusCode } = error as ProblemError
      if (statusCode === 503) throw error
      request.log.debug({ err: error }, 'token refused')
      if (code === 'FST_JWT_AUTHORIZATION_TOKEN_EXPIRED')
        throw unauthorized(new TokenExpired(), `${INVALID}, error_description="expired"`)
      throw unauthorized(new TokenInvalid(), INVALID)
    }
  }
}

/** RFC 6750, 3.1. */
const INVALID = 'Bearer error="invalid_token"'

function unauthorized(error: ProblemError, challenge: string): ProblemError {
  error.headers = { 'www-authenticate': challenge }
  return error
}

/** 403 with what was lacking (RFC 6750, 3.1), for a route's own rules. */
export function forbidden(): ProblemError {
  return unauthorized(new Forbidden(), 'Bearer error="insufficient_scope"')
}

/** Claims are the issuer's, so they are read as they should be and dropped where they are not. */
function toUser(claims: Record<string, unknown>): User {
  const { sub, email, roles, permissions, scope, tier } = claims
  if (typeof sub !== 'string' || !isHeaderSafe(sub)) throw unauthorized(new TokenInvalid(), INVALID)
  return {
    sub,
    ...(typeof email === 'string' && isHeaderSafe(email) && { email }),
    roles: names(roles),
    permissions: names(permissions ?? (typeof scope === 'string' ? scope.split(' ') : undefined)),
    tier: typeof tier === 'string' && isHeaderSafe(tier) ? tier : 'free'
  }
}

function names(value: unknown): string[] {
  return Array.isArray(value)
    ? value
        .slice(0, 100)
        .filter(name => typeof name === 'string' && isHeaderSafe(name) && !name.includes(','))
    : []
}

/** Printable ASCII with nothing to trim, so that it means the same in every header parser. */
function isHeaderSafe(value: string): boolean {
  return /^[\x21-\x7e]([\x20-\x7e]{0,254}[\x21-\x7e])?$/.test(value)
}

declare module '@fastify/jwt' {
  interface FastifyJWT {
    user: User
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    /** A hook that lets only requests through whose token the issuer of that name has signed. */
    authenticate(issuer: string): onRequestAsyncHookHandler
  }
  interface FastifyRequest {
    [tokenKey]?: Key
  }
}
