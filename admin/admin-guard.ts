import { createHash, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { createProblem } from '../http/problem.ts'

export interface AdminGuardOptions {
  /** Address of the listener. */
  host: string
  token?: string | undefined
}

const Unauthorized = createProblem('SLUICE_ADMIN_TOKEN_INVALID', 'The admin token is missing or wrong', 401, {
  headers: { 'www-authenticate': 'Bearer' }
})
const TokenNeeded = createProblem(
  'SLUICE_ADMIN_TOKEN_NEEDED',
  'Only available on a loopback address or with an admin token',
  403
)
const CrossSite = createProblem(
  'SLUICE_ADMIN_CROSS_SITE',
  'The request comes from a page of another site',
  403
)

/** Health checks of load balancers and orchestrators need no token. */
const OPEN = new Set(['/livez', '/readyz'])

/**
 * Protects the admin API. With a `token`, requests need it as a bearer token (RFC 6750). Without one, `isPrivate` routes
 * answer only on a loopback address and to a loopback host name, which stops DNS rebinding; pages of other sites cannot
 * change anything. Responses must not be stored.
 */
async function adminGuard(fastify: FastifyInstance, { host, token }: AdminGuardOptions) {
  const expected = token === undefined ? undefined : digest(token)
  const isLoopback = isLoopbackHost(host)

  fastify.addHook('onRequest', (request, reply, done) => {
    reply.header('cache-control', 'no-store')
    const { url, config } = request.routeOptions
    if (url !== undefined && OPEN.has(url)) return done()
    if (expected !== undefined) {
      const given = /^bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1]
      return done(
        given !== undefined && timingSafeEqual(digest(given), expected) ? undefined : new Unauthorized()
      )
    }
    if (isCrossSite(request)) return done(new CrossSite())
    const isOwnName = isIP(request.hostname.replace(/^\[|\]$/g, '')) !== 0 || request.hostname === 'localhost'
    done(config.isPrivate && !(isLoopback && isOwnName) ? new TokenNeeded() : undefined)
  })
}

/** Digests have equal lengths, as timingSafeEqual requires. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** Browsers let any page send a POST to a loopback address, but name the page's origin. */
function isCrossSite({ method, headers: { origin }, host }: FastifyRequest): boolean {
  if (method === 'GET' || method === 'HEAD' || origin === undefined) return false
  return !URL.canParse(origin) || new URL(origin).host !== host
}

export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

export default fp(adminGuard, { name: 'sluice-admin-guard', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route shows data of exchanges, or changes the gateway. */
    isPrivate?: boolean
  }
}
