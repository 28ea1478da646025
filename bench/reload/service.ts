import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'

/** A service process with small responses, uploads (it returns their size), slow downloads, events and an echo WebSocket. */
const body = Buffer.from(JSON.stringify({ id: '1', text: 'x'.repeat(64) }))

/** A download takes four seconds. */
const DOWNLOAD_CHUNKS = 20
const chunk = Buffer.alloc(16_384, 'x')

const server = createServer((request, response) => {
  request.on('error', () => {})
  response.on('error', () => {})
  const { url } = request
  if (url === '/upload') {
    let size = 0
    request.on('data', data => {
      size += data.length
    })
    request.on('end', () =>
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ size }))
    )
    return
  }
  request.resume()
  if (url === '/download') {
    let chunks = DOWNLOAD_CHUNKS
    response.writeHead(200, { 'content-length': chunks * chunk.length })
    const timer = setInterval(() => {
      response.write(chunk)
      if (--chunks > 0) return
      clearInterval(timer)
      response.end()
    }, 200)
    response.on('close', () => clearInterval(timer))
    return
  }
  if (url === '/events') {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const sendEvent = () => response.write(`data: ${Date.now()}\n\n`)
    sendEvent()
    const timer = setInterval(sendEvent, 250)
    response.on('close', () => clearInterval(timer))
    return
  }
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body)
})
// Longer than the gateway keeps idle connections, so that the gateway closes them.
server.keepAliveTimeout = 120_000
new WebSocketServer({ server, path: '/echo' }).on('connection', socket => {
  socket.on('error', () => {})
  socket.on('message', data => socket.send(data))
})
server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () =>
  process.send?.({ port: (server.address() as AddressInfo).port })
)
process.on('SIGTERM', () => process.exit())
process.on('disconnect', () => process.exit())
