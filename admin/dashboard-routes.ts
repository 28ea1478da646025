import { existsSync } from 'node:fs'
import { extname, join } from 'node:path'
import serveStatic from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import type { EndpointSummary } from './endpoint-index.ts'
import { DASHBOARD_CSP } from './security-headers.ts'

/** Folder of the built dashboard: dist/dashboard, beside the compiled sources. */
const FOLDER = join(
  import.meta.dirname,
  extname(import.meta.filename) === '.ts' ? '../dist' : '..',
  'dashboard'
)

const NOT_BUILT = `The dashboard is not built. Build it with: npm run build:dashboard

The index of the admin API is at /index.json.
`

/**
 * Serves the dashboard at `/` and its assets at `/assets/`, whose names contain a hash. The files are the same in every
 * installation and contain no data, so they need no token. `/` is the index of the admin API for clients that do not accept
 * HTML, which `/index.json` is for all.
 */
export async function dashboardRoutes(
  admin: FastifyInstance,
  { index, folder = FOLDER }: { index: () => EndpointSummary[]; folder?: string }
) {
  const assets = join(folder, 'assets')

  admin.addHook('onRoute', route => {
    route.config = { ...route.config, isOpen: true }
  })
  await admin.register(serveStatic, {
    root: assets,
    prefix: '/assets/',
    index: false,
    dotfiles: 'ignore',
    preCompressed: true,
    cacheControl: false,
    // The folder is missing until the dashboard is built.
    suppressWarning: true,
    setHeaders(reply, path) {
      if (path.startsWith(assets)) reply.header('cache-control', 'public, max-age=31536000, immutable')
    }
  })

  admin.get('/', (request, reply) => {
    reply.header('vary', 'accept')
    if (request.headers.accept?.includes('text/html') !== true) return index()
    if (!existsSync(join(folder, 'index.html'))) return reply.code(404).type('text/plain').send(NOT_BUILT)
    reply.header('content-security-policy', DASHBOARD_CSP)
    return reply.sendFile('index.html', folder, { cacheControl: false })
  })
  admin.get('/index.json', () => index())
}
