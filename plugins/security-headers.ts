import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { protocolOf } from '../http/host.ts'
import type { SecurityHeadersOptions } from '../schemas/options/scope.ts'

/**
 * Security headers for a scope, by @fastify/helmet, as they fit an API. What the service says itself stands.
 * `Strict-Transport-Security` is for clients that came by https (RFC 6797, 7.2), as `trustProxy` has it.
 */
async function securityHeaders(fastify: FastifyInstance, { hsts, policy }: SecurityHeadersOptions) {
  await fastify.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives: policy },
    strictTransportSecurity: hsts > 0 && { maxAge: hsts, includeSubDomains: false },
    // These are of pages, and an answer to another origin is what CORS is for.
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
