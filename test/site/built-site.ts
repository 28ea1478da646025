import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fastifyStatic from '@fastify/static'
import Fastify from 'fastify'
import type { Ending } from '../harness.ts'

const root = join(import.meta.dirname, '../..')
export const BASE = '/sluice/'

/** Builds the site for a base path and serves it there, as GitHub Pages does. Returns its URL. */
export async function startSite(t: Ending): Promise<string> {
  const env = { ...process.env, DOCS_URL: `https://example.com${BASE}` }
  await promisify(execFile)('npm', ['run', 'docs:build'], { cwd: root, env }).catch(error => {
    throw new Error(`the site was not built:\n${error.stdout}${error.stderr}`)
  })
  const server = Fastify()
  await server.register(fastifyStatic, { root: join(root, 'site/.vitepress/dist'), prefix: BASE })
  server.setNotFoundHandler((_request, reply) => reply.code(404).sendFile('404.html'))
  const address = await server.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => server.close())
  return address + BASE
}
