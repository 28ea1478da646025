import { createHash, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { isHost } from '../http/host.ts'
import { createProblem } from '../http/problem.ts'
import { createFailedLogins, type FailedLogins } from './failed-logins.ts'
import { isCrossSite, isSameOrigin } from './request-origin.ts'
import { SECURITY_HEADERS } from './security-headers.ts'
import { readSessionCookie } from './session-cookie.ts'
import { createSessions, type Operator, type Sessions } from './sessions.ts'

export interface AdminGuardOptions {
  /** Address of the listener. */
  host: string
  /** Further names by which clients reach it. */
  hosts?: readonly string[] | undefined
  token?: string | undefined
}

/** State that outlives the app. */
export interface AdminGuardState {
  sessions: Sessions
  failures: FailedLogins
}

export const TokenWrong = createProblem(
  'SLUICE_ADMIN_TOKEN_INVALID',
  'The admin token is missing or wrong',
  401,
  {
    headers: { 'www-authenticate': 'Bearer' }
  }
)
export const TokenNeeded = createProblem(
  'SLUICE_ADMIN_TOKEN_NEEDED',
  'Only available on a loopback address or with an admin token',
  403
)
const CrossSite = createProblem(
  'SLUICE_ADMIN_CROSS_SITE',
  'The request comes from a page of another site',
  403
)
const UnknownHost = createProblem(
  'SLUICE_ADMIN_HOST_UNKNOWN',
  'The admin API does not have this host name; admin.hosts lists further names',
  421
)
const TooManyLogins = createProblem('SLUICE_ADMIN_TOO_MANY_LOGINS', 'Too many wrong tokens', 429)

/** Health checks of load balancers and orchestrators use any name. */
const PROBES = new Set(['/livez', '/readyz'])

export function createGuardState(): AdminGuardState {
  return { sessions: createSessions(), failures: createFailedLogins() }
}

/**
 * Protects the admin API:
 *
 * - Host names: loopback names, IP addresses, the listener's own and `hosts`, so that DNS rebinding does not help a page.
 * - Pages of other sites get no response and cannot change anything.
 * - With a `token`, requests need it as a bearer token (RFC 6750), or the cookie of a session; `isOpen` routes need neither.
 * - Without one, `isPrivate` routes answer on a loopback address only.
 *
 * `request.operator` is who may see private data; undefined for others, who reach `isOpen` routes, and routes that are not
 * private.
 */
async function adminGuard(
  fastify: FastifyInstance,
  { host, hosts = [], token, state = createGuardState() }: AdminGuardOptions & { state?: AdminGuardState }
) {
  const { sessions, failures } = state
  const expected = token === undefined ? undefined : digest(token)
  const names = new Set([host, 'localhost', ...hosts].map(canonicalName))
  const isLoopback = isLoopbackHost(host)

  fastify.decorateRequest('operator', undefined)
  fastify.decorateRequest('operatorSession', undefined)
  fastify.decorate('isTokenNeeded', expected !== undefined)
  fastify.decorate('logIn', logIn)

  fastify.addHook('onRequest', (request, reply, done) => {
    reply.header('cache-control', 'no-store')
    reply.headers(SECURITY_HEADERS)
    const { url, config } = request.routeOptions
    if (url !== undefined && PROBES.has(url)) return done()
    if (!isKnownName(request)) return done(new UnknownHost())
    if (isCrossSite(request)) return done(new CrossSite())
    try {
      request.operator = operatorOf(request)
    } catch (error) {
      return done(error as Error)
    }
    if (request.operator !== undefined || config.isOpen) return done()
    if (expected !== undefined) return done(new TokenWrong())
    done(config.isPrivate ? new TokenNeeded() : undefined)
  })

  // A stream ends with the session that has opened it.
  fastify.addHook('onSend', (request, { raw }, payload, done) => {
    const id = payload instanceof Readable ? request.operatorSession : undefined
    if (id !== undefined)
      raw.once(
        'close',
        sessions.hold(id, () => raw.destroy())
      )
    done()
  })

  function isKnownName({ host, hostname }: FastifyRequest): boolean {
    const name = canonicalName(hostname)
    if (!isHost(host)) return false
    // A page that was loaded by address has no name to bind to another address.
    return names.has(name) || isIP(name) !== 0
  }

  /** @throws SLUICE_ADMIN_TOO_MANY_LOGINS (429), SLUICE_ADMIN_CROSS_SITE (403) */
  function operatorOf(request: FastifyRequest): Operator | undefined {
    const address = request.socket.remoteAddress ?? ''
    if (expected === undefined) return isLoopback ? { name: 'anonymous', address } : undefined
    const bearer = /^bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1]
    if (bearer !== undefined) return isToken(bearer, address) ? { name: 'token', address } : undefined
    const id = readSessionCookie(request)
    const name = id === undefined ? undefined : sessions.use(id, expected)
    if (id === undefined || name === undefined) return undefined
    // Browsers add the cookie to requests that they cannot ascribe to a page, too.
    if (!isSafe(request) && !isSameOrigin(request)) throw new CrossSite()
    request.operatorSession = id
    return { name, address }
  }

  /**
   * Returns the id of a new session, or undefined for a wrong token.
   * @throws SLUICE_ADMIN_TOO_MANY_LOGINS (429)
   */
  function logIn({ socket }: FastifyRequest, given: string, name: string): string | undefined {
    if (expected === undefined || !isToken(given, socket.remoteAddress ?? '')) return undefined
    return sessions.create(name, expected)
  }

  /** @throws SLUICE_ADMIN_TOO_MANY_LOGINS (429) */
  function isToken(given: string, address: string): boolean {
    const wait = failures.wait(address)
    if (wait > 0) throw new TooManyLogins({ headers: { 'retry-after': String(Math.ceil(wait / 1_000)) } })
    const isRight = expected !== undefined && timingSafeEqual(digest(given), expected)
    if (!isRight) failures.add(address, given)
    return isRight
  }
}

/** Digests have equal lengths, as timingSafeEqual requires. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** Names have no case, and may end with a dot (RFC 3986, 3.2.2); addresses of IPv6 have brackets. */
function canonicalName(host: string): string {
  return host.toLowerCase().replace(/^\[|\]$|\.$/g, '')
}

function isSafe({ method }: FastifyRequest): boolean {
  return method === 'GET' || method === 'HEAD'
}

export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

export default fp(adminGuard, { name: 'sluice-admin-guard', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route shows data of exchanges, or changes the gateway. */
    isPrivate?: boolean
    /** The route needs no token. */
    isOpen?: boolean
  }
  interface FastifyRequest {
    operator: Operator | undefined
    /** Id of the session that the request uses. */
    operatorSession: string | undefined
  }
  interface FastifyInstance {
    isTokenNeeded: boolean
    logIn(request: FastifyRequest, token: string, name: string): string | undefined
  }
}
