import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream'

/** A bare stream pipe: node:http on both sides, and nothing between. */
createServer((request, response) => {
  const { method, headers, url } = request
  const onward = httpRequest(process.env.UPSTREAM + (url as string), { method, headers }, answer => {
    response.writeHead(answer.statusCode as number, answer.headers)
    pipeline(answer, response, () => {})
  })
  pipeline(request, onward, () => {})
}).listen(0, '127.0.0.1', function (this: import('node:net').Server) {
  process.send?.({ port: (this.address() as AddressInfo).port })
})
process.on('SIGTERM', () => process.exit())
