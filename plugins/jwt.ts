import type { FastifyInstance, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { createGuard, trialOf } from '../auth/token-guard.ts'
import type { User } from '../auth/user.ts'
import { describeRoutes } from '../observe/route-metadata.ts'
import type { IssuerOptions } from '../schemas/options/jwt.ts'

export { forbidden } from '../auth/token-errors.ts'
export { expires, type User } from '../auth/user.ts'

/**
 * JWT validation (RFC 7519, 8725, 9068). `issuers` makes the issuers of the config known to the gateway; `jwt` guards
 * a scope with one of them, after which `request.user` is the token's.
 *
 * ```ts
 * await app.register(jwt, { issuer: 'shop' })
 * ```
 *
 * A token is verified once, by @fastify/jwt, and remembered until it expires or its key is gone.
 * Errors: 401 with `WWW-Authenticate` (RFC 6750) as missing, expired or invalid; 503 if the key cannot be fetched.
 */
export interface JwtOptions {
  /** A name from the config's `issuers`. */
  issuer: string
}

export interface IssuersOptions {
  /** By name. */
  issuers: Record<string, IssuerOptions>
}

export const issuers = fp(
  async function issuers(fastify: FastifyInstance, { issuers: options }: IssuersOptions) {
    const guards = new Map<string, onRequestHookHandler>()
    fastify.decorateRequest(trialOf)
    const entries = Object.entries(options)
    const hasSeveral = new Set(entries.map(([, { issuer }]) => issuer)).size > 1
    for (const [name, issuer] of entries) {
      const [first] = entries.find(([, other]) => other.issuer === issuer.issuer) as [string, IssuerOptions]
      const qualifier = hasSeveral ? { name: first, url: issuer.issuer } : undefined
      guards.set(name, await createGuard(fastify, name, issuer, qualifier))
    }

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
}
