import type { FastifyInstance } from 'fastify'
import { createProblem } from '../http/problem.ts'
import type { OpenApiDocuments } from '../openapi/documents.ts'

const NoSuchDocument = createProblem(
  'SLUICE_NO_SUCH_DOCUMENT',
  'There is no OpenAPI document of this version',
  404
)

/** Serves the OpenAPI documents: `GET /openapi.json` for all versions, `GET /openapi/VERSION.json` for one. */
export async function openApiRoutes(admin: FastifyInstance, { openapi }: { openapi: OpenApiDocuments }) {
  admin.get('/openapi.json', () => openapi.document())
  admin.get<{ Params: { file: string } }>('/openapi/:file', async ({ params: { file } }) => {
    const document = file.endsWith('.json') ? await openapi.document(file.slice(0, -5)) : undefined
    if (document === undefined) throw new NoSuchDocument()
    return document
  })
}
