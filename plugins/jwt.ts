import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { discoveryUrl } from '../auth/fetch-keys.ts'
import { shareIssuer } from '../auth/issuers.ts'
import { createGuard } from '../auth/token-guard.ts'
import { describeRoutes } from '../observe/route-metadata.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import type { Input } from '../schemas/options/defaults.ts'
import { JwtOptions as Options } from '../schemas/options/jwt.ts'

export type JwtOptions = Input<typeof Options>

/**
 * Rejects requests without a valid access token of an issuer (RFC 7519, 8725, 9068), and sets `request.user`.
 *
 * ```ts
 * await scope.register(jwt, { issuer: 'https://auth.example.com', audience: 'api://gateway' })
 * ```
 *
 * A token is verified once, by @fastify/jwt, and kept until it expires or its key is revoked. Scopes with the same
 * issuer share its keys. With the exchange plugin the request's deadline ends the wait for keys.
 *
 * Errors: 401 with `WWW-Authenticate` (RFC 6750) for a missing, expired or invalid token; 503 if the keys cannot be fetched.
 */
async function jwt(fastify: FastifyInstance, input: JwtOptions) {
  const options = completeOptions(Options, input, 'jwt')
  const issuer = shareIssuer(fastify, options)
  // A limit by consumer needs it.
  if (!fastify.hasRequestDecorator('user')) fastify.decorateRequest('user')
  fastify.addHook('onRequest', await createGuard(fastify, options, issuer))
  const { issuer: url, audience, jwksUri } = options
  describeRoutes(fastify, {
    issuer: issuer.name,
    tokens: { issuer: url, audience, discovery: jwksUri === undefined ? discoveryUrl(url) : undefined }
  })
}

export default fp(jwt, { name: 'sluice-jwt', fastify: '5.x' })
