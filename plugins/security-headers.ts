import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { protocolOf } from '../http/host.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import type { Input } from '../schemas/options/defaults.ts'
import { SecurityHeadersOptions } from '../schemas/options/security-headers.ts'

/**
 * Security headers for the responses of an API, by @fastify/helmet. Headers that a service sends take precedence.
 * `Strict-Transport-Security` goes to clients that use https (RFC 6797, 7.2), as Fastify's `trustProxy` sees it.
 *
 * ```ts
 * await scope.register(securityHeaders)
 * ```
 */
async function securityHeaders(
  fastify: FastifyInstance,
  options: Input<typeof SecurityHeadersOptions> | undefined
) {
  const { hsts, policy } = completeOptions(SecurityHeadersOptions, options ?? {}, 'securityHeaders')
  await fastify.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives: policy },
    strictTransportSecurity: hsts > 0 && { maxAge: hsts, includeSubDomains: false },
    // For pages. CORS decides which origins read an API.
    crossOriginResourcePolicy: false,
    crossOriginOpenerPolicy: false,
    originAgentCluster: false
  })
  if (hsts > 0)
    fastify.addHook('onRequest', (request, reply, done) => {
      if (protocolOf(request) !== 'https') reply.raw.removeHeader('strict-transport-security')
      done()
    })
}

export default fp(securityHeaders, { name: 'sluice-security-headers', fastify: '5.x' })
