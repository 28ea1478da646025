import { posix } from 'node:path'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { createProblem } from '../../http/problem.ts'
import type { OpenApiOptions } from '../../schemas/options/openapi.ts'
import type { OpenApiDocuments } from '../documents.ts'
import { documentLinks } from './links.ts'
import { renderPage } from './page.ts'
import { sendScript } from './script.ts'

export const NoSuchDocument = createProblem(
  'SLUICE_NO_SUCH_DOCUMENT',
  'There is no OpenAPI document of this version',
  404
)

/**
 * Adds the page and the documents to an app: `/docs`, `/docs/openapi.json` and `/docs/openapi/VERSION.json` for the path
 * `/docs`. None of them is in a document.
 */
export function addPublicRoutes(
  app: FastifyInstance,
  path: string,
  documents: OpenApiDocuments,
  { info, servers }: OpenApiOptions
): void {
  const config = { openapi: false } as const
  const name = posix.basename(path)
  const texts = new WeakMap<object, string>()

  app.get(path, { config }, (_request, reply) => {
    const { html, policy } = renderPage({
      title: info.title,
      documents: documentLinks(documents.versions(), `${name}/`),
      script: `${name}/scalar.js`,
      origins: servers.flatMap(({ url }) => (URL.canParse(url) ? [new URL(url).origin] : [])),
      requests: servers.length > 0 ? 'servers' : 'own'
    })
    return reply
      .headers({
        'content-security-policy': policy,
        'referrer-policy': 'same-origin',
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store'
      })
      .type('text/html; charset=utf-8')
      .send(html)
  })
  app.get(`${path}/scalar.js`, { config }, (request, reply) =>
    sendScript(
      request,
      reply.headers({ 'cache-control': 'public, max-age=3600', 'x-content-type-options': 'nosniff' })
    )
  )
  app.get(`${path}/openapi.json`, { config }, (_request, reply) => sendDocument(reply))
  app.get<{ Params: { file: string } }>(
    `${path}/openapi/:file`,
    { config },
    ({ params: { file } }, reply) => {
      if (!file.endsWith('.json')) throw new NoSuchDocument()
      return sendDocument(reply, file.slice(0, -5))
    }
  )

  async function sendDocument(reply: FastifyReply, version?: string): Promise<FastifyReply> {
    const document = await documents.document(version)
    if (document === undefined) throw new NoSuchDocument()
    let text = texts.get(document)
    if (text === undefined) {
      text = JSON.stringify(document)
      texts.set(document, text)
    }
    return reply.header('cache-control', 'no-cache').type('application/json; charset=utf-8').send(text)
  }
}
