import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { describeTier } from '../limits/limit-description.ts'
import { type CollectedRoute, collectRoute } from '../openapi/collected-route.ts'
import { describedUpstreams } from '../openapi/described-upstreams.ts'
import { createDocuments, type OpenApiDocuments } from '../openapi/documents.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import type { Input } from '../schemas/options/defaults.ts'
import { OpenApiOptions } from '../schemas/options/openapi.ts'

/**
 * Describes the routes of an app by OpenAPI 3.1: one document for each version, and one for all.
 *
 * ```ts
 * await app.register(openapi, { info: { title: 'Shop API' }, public: '/docs' })
 * const document = await app.openapi.document('v2')
 * ```
 *
 * Register it before the routes. Documents are made on the first request for one, from the routes' own schemas, and kept.
 */
async function openapi(fastify: FastifyInstance, input: Input<typeof OpenApiOptions>) {
  const options = completeOptions(OpenApiOptions, input, 'openapi')
  // Read later: hooks that follow add to the config of a route.
  const added: (() => CollectedRoute | undefined)[] = []
  fastify.addHook('onRoute', function (route) {
    added.push(() => collectRoute(this, route))
  })
  const documents = createDocuments(() => added.flatMap(collect => collect() ?? []), {
    options,
    hasProblems: () => fastify.hasPlugin('sluice-problem'),
    upstreamOf: name => describedUpstreams(fastify).get(name),
    describeTier: name => describeTier(fastify, name),
    now: fastify.overrides?.now ?? Date.now
  })
  fastify.decorate('openapi', documents)
  fastify.addHook('onReady', () => documents.load())
  if (options.public !== undefined) {
    const { addPublicRoutes } = await import('../openapi/page/public-routes.ts')
    addPublicRoutes(fastify, options.public, documents, options)
  }
}

export default fp(openapi, { name: 'sluice-openapi', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyInstance {
    /** Undefined unless the openapi plugin is registered. */
    openapi?: OpenApiDocuments
  }
}
