import { hash } from 'node:crypto'
import fastifyJwt from '@fastify/jwt'
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify'
import { LruMap } from 'toad-cache'
import { clientNetwork } from '../http/client-address.ts'
import type { ProblemError } from '../http/problem.ts'
import type { IssuerOptions } from '../schemas/options/jwt.ts'
import { ALGORITHMS, createJwks, type Key, unavailable } from './jwks.ts'
import { expired, invalid, missing, TokenInvalid } from './token-errors.ts'
import { type Claims, isHeaderSafe, listNames, toUser, type User, type UserOptions } from './user.ts'

/** RFC 6750, 2.1: any bearer token, valid or not. */
const BEARER = /^bearer\s+\S/i
/**
 * A JWS in compact form (RFC 7515, 7.1), whose first two parts begin like an encoded `{`. Anything else need not be
 * verified.
 */
const JWS = /^e[w-z][\w-]*\.e[w-z][\w-]*\.[\w-]*$/
/** `typ` of access tokens, and of issuers that do not mark them (RFC 9068, 2.1; RFC 7519, 5.1). */
const TYPE = /^(application\/)?(at\+)?jwt$/i
/** Bytes. No issuer makes longer tokens, and no cache should hold them. */
const MAX_TOKEN = 8_192

const SPACE = 32
const MAX_REFUSED = 1_000
/** Lists of roles and permissions, which most tokens have in common with others. */
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
  payload: Record<string, unknown>
}

/** The keys that a token has been verified with so far. */
interface Trial {
  /** By `performance.now()`. */
  since: number
  keys: Key[]
  /** The token names one of them. */
  isNamed: boolean
}

export const trialOf = Symbol('sluice.trial')

/** Creates the hook that rejects requests without a valid token of the issuer. */
export async function createGuard(
  fastify: FastifyInstance,
  name: string,
  options: IssuerOptions,
  qualifier: UserOptions['issuer']
): Promise<onRequestHookHandler> {
  const jwks = (fastify.overrides?.createJwks ?? createJwks)(options, fastify.log)
  // Tokens that stay invalid. One with an unknown key, or whose time has not come, may become valid.
  const refused = new LruMap<Refusal>(MAX_REFUSED)
  const userOptions: UserOptions = {
    claims: listNames(options.claims),
    issuer: qualifier,
    sets: new LruMap(MAX_SETS)
  }
  // LruMap takes 0 for no limit.
  const tokens = options.cache > 0 ? new LruMap<VerifiedToken>(options.cache) : undefined
  const verify = `${name}JwtVerify` as 'jwtVerify'

  await fastify.register(fastifyJwt, {
    namespace: name,
    jwtVerify: verify,
    jwtDecode: `${name}JwtDecode`,
    jwtSign: `${name}JwtSign`,
    decode: { complete: true },
    secret: (async (request: FastifyRequest, { header: { alg, kid, typ, crit }, payload }: Decoded) => {
      if (kid !== undefined && typeof kid !== 'string') throw new TokenInvalid()
      if (typ !== undefined && !(typeof typ === 'string' && TYPE.test(typ))) throw new TokenInvalid()
      // No extension is understood here (RFC 7515, 4.1.11).
      if (crit !== undefined) throw new TokenInvalid()
      const trial = request[trialOf] as Trial
      const isPlausible = hasGoodClaims(payload, options)
      const key = await jwks.find(kid, alg, {
        tried: trial.keys,
        ...(isPlausible && {
          from: clientNetwork(request),
          since: trial.since
        })
      })
      if (key === undefined) throw new TokenInvalid()
      trial.keys.push(key)
      trial.isNamed = kid !== undefined && key.kid === kid
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
    trusted: (_request, claims) =>
      isHeaderSafe((claims as Claims).sub) && Number.isFinite((claims as Claims).exp)
  })

  // Not async: a cached token, as most are, needs no promise.
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
    // After the caches, since a cached token has passed it and it takes as long as the digest.
    if (!JWS.test(token)) return done(invalid)
    const settle = request.exchange?.hold(done, unavailable) ?? done
    verifyToken(request, digest).then(({ claims, key }) => {
      const end = claims.exp * 1000 + options.clockTolerance
      request.user = toUser(claims, userOptions, end)
      tokens?.set(digest, { user: request.user, expires: end, key })
      settle()
    }, settle)
  }

  /** Tries every key that may have signed the token: a `kid` may be missing, or belong to several keys. */
  async function verifyToken(request: FastifyRequest, digest: string): Promise<{ claims: Claims; key: Key }> {
    const trial: Trial = { since: performance.now(), keys: [], isNamed: false }
    request[trialOf] = trial
    let fault: ProblemError | undefined
    for (;;) {
      const tried = trial.keys.length
      try {
        return { claims: await request[verify](), key: trial.keys.at(-1) as Key }
      } catch (error) {
        const { code, statusCode } = error as ProblemError
        if (statusCode === 503) throw error
        if (trial.keys.length > tried && code !== EXPIRED && code !== UNTRUSTED) {
          fault = error as ProblemError
          continue
        }
        // No key is left to try: report the fault of the last one.
        const own = error as ProblemError
        throw refuse(request, digest, code === EXPIRED ? own : (fault ?? own), trial)
      }
    }
  }

  function refuse(
    request: FastifyRequest,
    digest: string,
    error: ProblemError,
    { keys, isNamed }: Trial
  ): ProblemError {
    request.log.debug({ err: error }, 'token refused')
    const refusal = error.code === EXPIRED ? expired : invalid
    // Unless the token names a known key, the key that signed it may yet be published.
    if (error.code?.startsWith('FST_JWT_AUTHORIZATION_TOKEN_') && (isNamed || keys.length === 0))
      refused.set(digest, { error: refusal, until: performance.now() + REFUSED_TTL })
    return refusal
  }
}

const EXPIRED = 'FST_JWT_AUTHORIZATION_TOKEN_EXPIRED'
const UNTRUSTED = 'FST_JWT_AUTHORIZATION_TOKEN_UNTRUSTED'

/**
 * True if only the signature is open. Only such tokens cause fetches within the cooldown.
 */
function hasGoodClaims(claims: Record<string, unknown>, options: IssuerOptions): boolean {
  const { iss, aud, exp, nbf, sub } = claims
  const now = Date.now()
  const tolerance = options.clockTolerance
  return (
    iss === options.issuer &&
    [aud].flat().includes(options.audience) &&
    typeof exp === 'number' &&
    Number.isFinite(exp) &&
    exp * 1000 + tolerance >= now &&
    (nbf === undefined || (typeof nbf === 'number' && nbf * 1000 - tolerance <= now)) &&
    isHeaderSafe(sub)
  )
}

/**
 * Returns the cache key of a token. Covers all of it, since parts can be combined with other claims. A digest, since
 * tokens have 700 bytes or more and should not be kept in a usable form.
 */
function digestOf(token: string): string {
  return hash('sha256', token, 'latin1')
}

/** Returns the token after the scheme and its spaces. */
function tokenOf(authorization = ''): string {
  let start = 6
  while (authorization.charCodeAt(start) === SPACE) start++
  return start === 6 ? '' : authorization.slice(start)
}

declare module 'fastify' {
  interface FastifyRequest {
    [trialOf]?: Trial
  }
}
