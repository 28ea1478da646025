import type { FastifyInstance } from 'fastify'
import { documentLinks } from '../openapi/page/links.ts'
import { renderPage } from '../openapi/page/page.ts'
import { sendScript } from '../openapi/page/script.ts'
import type { Cluster } from './cluster-types.ts'
import { ask, NoResponse, read, relay, successes } from './worker-requests.ts'

/** Milliseconds: the first request makes the document. */
const TIMEOUT = 10_000

/** Response of a worker's `GET /openapi`. */
interface Documents {
  title: string
  versions: string[]
  servers: { url: string }[]
}

/**
 * Serves the OpenAPI documents of the newest worker, since all workers of a generation have the same routes, and at `/docs` the
 * page to read them. Requests can be tried from the page if the config names the gateway's URLs.
 */
export async function openApiRoutes(admin: FastifyInstance, { cluster }: { cluster: Cluster }) {
  for (const path of ['/openapi', '/openapi.json'])
    admin.get(path, (_request, reply) => relay(cluster, path, reply, TIMEOUT))
  admin.get<{ Params: { file: string } }>('/openapi/:file', ({ params: { file } }, reply) =>
    relay(cluster, `/openapi/${encodeURIComponent(file)}`, reply, TIMEOUT)
  )

  admin.get('/docs', { config: { isOpen: true } }, async ({ operator }, reply) => {
    // To the login.
    if (operator === undefined && admin.isTokenNeeded) return reply.redirect('./')
    const worker = cluster.workers().findLast(({ state }) => state === 'ready')
    if (worker === undefined) throw new NoResponse()
    const [response] = successes([await ask(worker, '/openapi', { timeout: TIMEOUT })])
    const { title, versions, servers } = read<Documents>(response as NonNullable<typeof response>)
    const origins = servers.flatMap(({ url }) => (URL.canParse(url) ? [new URL(url).origin] : []))
    const { html, policy } = renderPage({
      title,
      documents: documentLinks(versions, ''),
      script: 'docs/scalar.js',
      origins,
      requests: origins.length > 0 ? 'servers' : 'none'
    })
    return reply.header('content-security-policy', policy).type('text/html; charset=utf-8').send(html)
  })
  admin.get(
    '/docs/scalar.js',
    { schema: { hide: true } as object, config: { isOpen: true } },
    (request, reply) => sendScript(request, reply.header('cache-control', 'public, max-age=3600'))
  )
}
