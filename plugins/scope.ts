import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/** Says of each route which scope it is of, and which version, for whoever counts or shows exchanges. */
async function scope(
  fastify: FastifyInstance,
  { name, version }: { name: string; version?: string | undefined }
) {
  fastify.addHook('onRoute', route => {
    route.config = { ...route.config, scope: name, ...(version !== undefined && { version }) }
  })
}

export default fp(scope, { name: 'sluice-scope', fastify: '5.x' })
