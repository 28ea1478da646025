import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pool } from 'undici'

/**
 * The least work that a Node process can do to forward: node:http, undici's `dispatch` and one Buffer between them.
 * GATEWAY_HEADERS adds the headers that Sluice sends. REJECT answers 401 as Sluice does, without forwarding.
 */
const { GATEWAY_HEADERS, REJECT } = process.env
const id = '01234567-89ab-4def-00000000'
const addedToRequest = GATEWAY_HEADERS && {
  via: '1.1 sluice',
  'x-forwarded-for': '127.0.0.1',
  'x-forwarded-proto': 'http',
  'x-forwarded-port': '12345',
  'x-forwarded-host': '127.0.0.1:12345',
  forwarded: 'for=127.0.0.1;host="127.0.0.1:12345";proto=http',
  'x-request-id': id,
  traceparent: '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01'
}
const addedToResponse = GATEWAY_HEADERS && { 'x-request-id': id }
const problem = JSON.stringify({
  type: 'urn:sluice:token-invalid',
  title: 'Invalid token',
  status: 401,
  requestId: id
})
const pool = new Pool(process.env.UPSTREAM as string, { connections: 256, pipelining: 1 })

createServer((request, response) => {
  if (REJECT) {
    const headers = {
      'x-request-id': id,
      'www-authenticate': 'Bearer error="invalid_token"',
      'content-type': 'application/problem+json',
      'content-length': problem.length
    }
    return void response.writeHead(401, headers).end(problem)
  }
  const chunks: Buffer[] = []
  let statusCode = 0
  let headers: Record<string, string | string[] | undefined> = {}
  const { connection: _, host: __, ...forwarded } = request.headers
  pool.dispatch(
    {
      method: request.method as 'GET',
      path: request.url as string,
      headers: { ...forwarded, ...addedToRequest }
    },
    {
      onRequestStart() {},
      onResponseStart(_controller, status, received) {
        statusCode = status
        const { connection: _, 'keep-alive': __, ...rest } = received
        headers = { ...rest, ...addedToResponse }
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
