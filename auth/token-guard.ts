import fastifyJwt from '@fastify/jwt'
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify'
import { appState } from '../app-state.ts'
import { clientNetwork } from '../http/client-address.ts'
import type { ProblemError } from '../http/problem.ts'
import type { JwtOptions } from '../schemas/options/jwt.ts'
import { digestOf, isBearer, isJws, tokenOf } from './bearer-token.ts'
import type { SharedIssuer } from './issuers.ts'
import { ALGORITHMS, type Key } from './jwks.ts'
import { expired, invalid, keysUnavailable, missing, TokenInvalid } from './token-errors.ts'
import { type Claims, isHeaderSafe, listNames, toUser } from './user.ts'

/** `typ` of access tokens, marked as such or not (RFC 9068, 2.1; RFC 7519, 5.1). */
const TYPE = /^(application\/)?(at\+)?jwt$/i
/** Bytes. */
const MAX_TOKEN = 8_192

interface Decoded {
  header: { alg: string; kid?: unknown; typ?: unknown; crit?: unknown }
  payload: Record<string, unknown>
}

/** Keys that a token was verified with so far. */
interface Trial {
  /** By `performance.now()`. */
  since: number
  keys: Key[]
  /** True if the token names one of the keys. */
  isNamed: boolean
}

const trialOf = Symbol('sluice.trial')

/** Creates the hook that rejects requests without a valid token of the issuer. */
export async function createGuard(
  fastify: FastifyInstance,
  options: JwtOptions,
  { keys, cache, qualifier }: SharedIssuer
): Promise<onRequestHookHandler> {
  const claimNames = listNames(options.claims)
  const verify = await registerVerifier(fastify, {
    decode: { complete: true },
    secret: (async (request: FastifyRequest, { header: { alg, kid, typ, crit }, payload }: Decoded) => {
      if (kid !== undefined && typeof kid !== 'string') throw new TokenInvalid()
      if (typ !== undefined && !(typeof typ === 'string' && TYPE.test(typ))) throw new TokenInvalid()
      // No extension is supported (RFC 7515, 4.1.11).
      if (crit !== undefined) throw new TokenInvalid()
      const trial = request[trialOf] as Trial
      const key = await keys.find(kid, alg, {
        tried: trial.keys,
        trace: request.exchange?.trace,
        ...(hasGoodClaims(payload, options) && { from: clientNetwork(request), since: trial.since })
      })
      // An own set of keys (overrides) may return a key again that was tried.
      if (key === undefined || trial.keys.some(({ pem }) => pem === key.pem)) throw new TokenInvalid()
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

  // Not async: most tokens are cached and need no promise.
  return function authenticate(request, _reply, done) {
    const { authorization } = request.headers
    if (authorization === undefined || !isBearer(authorization)) return done(missing)
    if (authorization.length > MAX_TOKEN) return done(invalid)
    const token = tokenOf(authorization)
    const digest = digestOf(token)
    const known = cache.find(digest)
    if (known !== undefined) {
      keys.touch(request.exchange?.trace)
      request.user = known.user
      return done()
    }
    const rejection = cache.rejection(digest)
    if (rejection !== undefined) return done(rejection)
    // After the caches: a cached token has passed this check, which takes as long as the digest.
    if (!isJws(token)) return done(invalid)
    const settle = request.exchange?.hold(done, keysUnavailable) ?? done
    verifyToken(request, digest).then(({ claims, key }) => {
      const end = claims.exp * 1000 + options.clockTolerance
      request.user = toUser(claims, { claims: claimNames, issuer: qualifier(), sets: cache.sets }, end)
      cache.add(digest, { user: request.user, expires: end, key })
      settle()
    }, settle)
  }

  /** Tries every key that may have signed the token: its `kid` may be missing or belong to several keys. */
  async function verifyToken(request: FastifyRequest, digest: string): Promise<{ claims: Claims; key: Key }> {
    const trial: Trial = { since: performance.now(), keys: [], isNamed: false }
    request[trialOf] = trial
    let fault: ProblemError | undefined
    for (;;) {
      const tried = trial.keys.length
      try {
        return { claims: await verify(request), key: trial.keys.at(-1) as Key }
      } catch (error) {
        const { code, statusCode } = error as ProblemError
        if (statusCode === 503) throw error
        if (trial.keys.length > tried && code !== EXPIRED && code !== UNTRUSTED) {
          fault = error as ProblemError
          continue
        }
        // No key is left to try. Report the fault of the last one.
        const own = error as ProblemError
        throw reject(request, digest, code === EXPIRED ? own : (fault ?? own), trial)
      }
    }
  }

  function reject(
    request: FastifyRequest,
    digest: string,
    error: ProblemError,
    { keys, isNamed }: Trial
  ): ProblemError {
    request.log.debug({ err: error }, 'token rejected')
    const rejection = error.code === EXPIRED ? expired : invalid
    // Without a known key, the key that signed the token may be published later.
    if (error.code?.startsWith('FST_JWT_AUTHORIZATION_TOKEN_') && (isNamed || keys.length === 0))
      cache.reject(digest, rejection)
    return rejection
  }
}

const EXPIRED = 'FST_JWT_AUTHORIZATION_TOKEN_EXPIRED'
const UNTRUSTED = 'FST_JWT_AUTHORIZATION_TOKEN_UNTRUSTED'

/**
 * Registers @fastify/jwt under a name of its own, so that it can be there several times, beside an app's own one too.
 * Returns its verification of a request's token.
 */
async function registerVerifier(
  fastify: FastifyInstance,
  options: fastifyJwt.FastifyJWTOptions
): Promise<(request: FastifyRequest) => Promise<Claims>> {
  const counter = appState(fastify, 'jwt-verifiers', () => ({ next: 1 }))
  const namespace = `sluice${counter.next++}`
  const method = `${namespace}JwtVerify` as 'jwtVerify'
  await fastify.register(fastifyJwt, {
    ...options,
    namespace,
    decoratorName: `${namespace}Claims`,
    jwtVerify: method,
    jwtDecode: `${namespace}JwtDecode`,
    jwtSign: `${namespace}JwtSign`
  })
  if (!fastify.hasRequestDecorator(trialOf)) fastify.decorateRequest(trialOf)
  return request => request[method]<Claims>()
}

/** True if only the signature is unchecked. Only such tokens cause fetches within the cooldown. */
function hasGoodClaims(claims: Record<string, unknown>, options: JwtOptions): boolean {
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

declare module 'fastify' {
  interface FastifyRequest {
    [trialOf]?: Trial
  }
}
