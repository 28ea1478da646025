import { createHash, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import createError from '@fastify/error'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { ProblemError } from '../http/problem.ts'

/**
 * Who may see the admin side. With a `token`, whoever bears it (RFC 6750); without one, whoever reaches it, but what shows
 * people's data is only there if that is this machine alone: `isPrivate` routes are refused unless the listener is on a
 * loopback address, and the browser is not being led here under another host's name (DNS rebinding). Nor may a page of
 * another site have a browser change anything.
 * `/livez` and `/readyz` are open, for those who restart and route. Nothing is to be stored.
 */
export interface AdminGuardOptions {
  host: string
  token?: string | undefined
}

const Unauthorized = createError(
  'SLUICE_ADMIN_TOKEN_INVALID',
  'The admin token is missing or wrong',
  401,
  Error,
  false
)
const NotPrivate = createError(
  'SLUICE_ADMIN_TOKEN_NEEDED',
  'Shown on a loopback address or with an admin token only',
  403,
  Error,
  false
)

const CrossSite = createError(
  'SLUICE_ADMIN_CROSS_SITE',
  'Asked for by a page of another site',
  403,
  Error,
  false
)

const OPEN = new Set(['/livez', '/readyz'])

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
        given !== undefined && timingSafeEqual(digest(given), expected) ? undefined : unauthorized()
      )
    }
    if (isFromElsewhere(request)) return done(new CrossSite())
    const isOwnName = isIP(request.hostname.replace(/^\[|\]$/g, '')) !== 0 || request.hostname === 'localhost'
    done(config.isPrivate && !(isLoopback && isOwnName) ? new NotPrivate() : undefined)
  })
}

export default fp(adminGuard, { name: 'sluice-admin-guard', fastify: '5.x' })

function unauthorized(): ProblemError {
  const error: ProblemError = new Unauthorized()
  error.headers = { 'www-authenticate': 'Bearer' }
  return error
}

/** Of one length, whatever was given. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** A browser lets any page send a POST to this machine; but it says whose page that is. */
function isFromElsewhere({ method, headers: { origin }, host }: FastifyRequest): boolean {
  if (method === 'GET' || method === 'HEAD' || origin === undefined) return false
  return !URL.canParse(origin) || new URL(origin).host !== host
}

export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Shows what people sent and got, or changes what the gateway does. */
    isPrivate?: boolean
  }
}
