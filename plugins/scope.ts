import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { describeRoutes } from '../observe/route-metadata.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import type { Input } from '../schemas/options/defaults.ts'
import { ScopePluginOptions } from '../schemas/options/scope.ts'

/**
 * Names a scope for log, metrics and recorder, and passes request headers to services that are dropped by default.
 *
 * ```ts
 * await app.register(scope, { name: 'orders', passHeaders: ['X-HTTP-Method-Override'] })
 * ```
 *
 * Applies to the routes that are registered after it.
 */
async function scope(fastify: FastifyInstance, options: Input<typeof ScopePluginOptions>) {
  const { name, version, passHeaders = [] } = completeOptions(ScopePluginOptions, options, 'scope')
  describeRoutes(fastify, {
    scope: name,
    ...(version !== undefined && { version }),
    ...(passHeaders.length > 0 && { passHeaders: new Set(passHeaders.map(header => header.toLowerCase())) })
  })
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** In lower case. */
    passHeaders?: ReadonlySet<string>
  }
}

export default fp(scope, { name: 'sluice-scope', fastify: '5.x' })
