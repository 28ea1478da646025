import type { FastifyInstance } from 'fastify'
import type { Cluster } from './cluster-types.ts'
import { relay } from './worker-requests.ts'

/** Milliseconds: the first request makes the document. */
const TIMEOUT = 10_000

/** Serves the OpenAPI documents of the newest worker: all workers of a generation have the same routes. */
export async function openApiRoutes(admin: FastifyInstance, { cluster }: { cluster: Cluster }) {
  admin.get('/openapi.json', (_request, reply) => relay(cluster, '/openapi.json', reply, TIMEOUT))
  admin.get<{ Params: { file: string } }>('/openapi/:file', ({ params: { file } }, reply) =>
    relay(cluster, `/openapi/${encodeURIComponent(file)}`, reply, TIMEOUT)
  )
}
