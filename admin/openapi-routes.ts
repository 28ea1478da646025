import type { FastifyInstance } from 'fastify'
import type { OpenApiDocuments } from '../openapi/documents.ts'
import { NoSuchDocument } from '../openapi/page/public-routes.ts'

/** Serves the OpenAPI documents: `GET /openapi.json` for all versions, `GET /openapi/VERSION.json` for one. */
export async function openApiRoutes(admin: FastifyInstance, { openapi }: { openapi: OpenApiDocuments }) {
  admin.get('/openapi.json', () => openapi.document())
  admin.get('/openapi', () => ({
    title: openapi.title,
    versions: openapi.versions(),
    servers: openapi.servers
  }))
  admin.get<{ Params: { file: string } }>('/openapi/:file', async ({ params: { file } }) => {
    const document = file.endsWith('.json') ? await openapi.document(file.slice(0, -5)) : undefined
    if (document === undefined) throw new NoSuchDocument()
    return document
  })
}
