import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Cluster } from './cluster-types.ts'
import { ask, NoResponse } from './worker-requests.ts'

/** Milliseconds: the first request makes the document. */
const TIMEOUT = 10_000

/** Serves the OpenAPI documents of the newest worker: all workers of a generation have the same routes. */
export async function openApiRoutes(admin: FastifyInstance, { cluster }: { cluster: Cluster }) {
  admin.get('/openapi.json', (_request, reply) => relay('/openapi.json', reply))
  admin.get<{ Params: { file: string } }>('/openapi/:file', ({ params: { file } }, reply) =>
    relay(`/openapi/${encodeURIComponent(file)}`, reply)
  )

  async function relay(path: string, reply: FastifyReply): Promise<Buffer> {
    const worker = cluster.workers().findLast(({ state }) => state === 'ready')
    if (worker === undefined) throw new NoResponse()
    const { status, body } = await ask(worker, path, { timeout: TIMEOUT })
    reply.code(status).type(status < 400 ? 'application/json' : 'application/problem+json')
    return body
  }
}
