import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pool } from 'undici'

/** The least that a Node process can do to forward: node:http in front, undici's dispatch behind, one buffer between. */
const pool = new Pool(process.env.UPSTREAM as string, { connections: 256, pipelining: 1 })

createServer((request, response) => {
  const chunks: Buffer[] = []
  let statusCode = 0
  let headers: Record<string, string | string[] | undefined> = {}
  const { connection: _, host: __, ...forwarded } = request.headers
  pool.dispatch(
    { method: request.method as 'GET', path: request.url as string, headers: forwarded },
    {
      onRequestStart() {},
      onResponseStart(_controller, status, received) {
        statusCode = status
        const { connection: _, 'keep-alive': __, ...rest } = received
        headers = rest
      },
      onResponseData(_controller, chunk) {
        chunks.push(chunk)
      },
      onResponseEnd() {
        response.writeHead(statusCode, headers).end(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))
      },
      onResponseError() {
        response.writeHead(502).end()
      }
    }
  )
}).listen(Number(process.env.PORT ?? 0), '127.0.0.1', function (this: import('node:net').Server) {
  process.send?.({ port: (this.address() as AddressInfo).port })
})
process.on('SIGTERM', () => process.exit())
