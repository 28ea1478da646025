import { createReadStream, existsSync } from 'node:fs'
import { extname, join } from 'node:path'
import { createGunzip } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { chooseEncoding } from '../../http/accept-encoding.ts'

/** dist/api-page/scalar.js.gz, beside the compiled sources. */
const FILE = join(
  import.meta.dirname,
  extname(import.meta.filename) === '.ts' ? '../../dist' : '../..',
  'api-page/scalar.js.gz'
)

/** Sends the script of the API page, from the disk: it is 5 MB, and few people load it. */
export function sendScript({ headers }: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (!existsSync(FILE))
    return reply.code(404).type('text/plain').send('The API page is not built: npm run build:api-page\n')
  reply.type('text/javascript; charset=utf-8').header('vary', 'accept-encoding')
  const file = createReadStream(FILE)
  if (chooseEncoding(headers['accept-encoding'], ['gzip']) !== undefined)
    return reply.header('content-encoding', 'gzip').send(file)
  const plain = createGunzip()
  file.on('error', error => plain.destroy(error))
  return reply.send(file.pipe(plain))
}
