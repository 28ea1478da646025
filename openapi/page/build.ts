import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import reference from '@scalar/fastify-api-reference'
import Fastify from 'fastify'

/** Writes dist/api-page/scalar.js.gz: the script of the API page, as @scalar/fastify-api-reference serves it. */

const folder = join(import.meta.dirname, '../../dist/api-page')
const app = Fastify()
await app.register(reference, { routePrefix: '/page', configuration: { content: {} } })
const { statusCode, body } = await app.inject('/page/js/scalar.js')
if (statusCode !== 200) throw new Error(`@scalar/fastify-api-reference has no script: ${statusCode}`)
mkdirSync(folder, { recursive: true })
writeFileSync(join(folder, 'scalar.js.gz'), gzipSync(body, { level: 9 }))
