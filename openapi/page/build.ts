import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import reference from '@scalar/fastify-api-reference'
import Fastify from 'fastify'

/** Writes dist/api-page/scalar.js.gz: the script of the API page, as @scalar/fastify-api-reference serves it, and its license. */

const folder = join(import.meta.dirname, '../../dist/api-page')
const app = Fastify()
await app.register(reference, { routePrefix: '/page', configuration: { content: {} } })
const { statusCode, body } = await app.inject('/page/js/scalar.js')
if (statusCode !== 200) throw new Error(`@scalar/fastify-api-reference has no script: ${statusCode}`)
const license = createRequire(import.meta.url)
  .resolve('@scalar/fastify-api-reference')
  .replace(/dist.index\.js$/, 'LICENSE')
mkdirSync(folder, { recursive: true })
writeFileSync(join(folder, 'scalar.js.gz'), gzipSync(body, { level: 9 }))
copyFileSync(license, join(folder, 'LICENSE'))
