import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { describeRoutes } from './described.ts'

/** Says of each route which scope it is of, and which version, for whoever counts or shows exchanges. */
async function scope(
  fastify: FastifyInstance,
  { name, version }: { name: string; version?: string | undefined }
) {
  describeRoutes(fastify, { scope: name, ...(version !== undefined && { version }) })
}

export default fp(scope, { name: 'sluice-scope', fastify: '5.x' })
