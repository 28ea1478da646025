import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * A service process; SERVICE has `ServiceOptions` in JSON. Responds after `delay`, except to `/hang/…`, which gets no
 * response, and to `/endless/…`, whose response never completes. Sends its port and, on request, `ServiceState`.
 */
export interface ServiceOptions {
  host?: string
  port?: number
  status?: number
  /** Length of the body in bytes. */
  bytes?: number
  /** Milliseconds before the response. */
  delay?: number
}

export interface ServiceState {
  requests: number
  /** Epoch milliseconds of the first and the last request. */
  firstAt: number
  lastAt: number
  /** Open connections. */
  connections: number
  /** Epoch milliseconds at which a request was aborted before its response was complete, by the last path segment. */
  aborted: Record<string, number>
}

const {
  host = '127.0.0.1',
  port = 0,
  status = 200,
  bytes = 64,
  delay = 0
} = JSON.parse(process.env.SERVICE as string) as ServiceOptions
const body = Buffer.from(JSON.stringify({ id: '1', text: 'x'.repeat(bytes) }))
const state: ServiceState = { requests: 0, firstAt: 0, lastAt: 0, connections: 0, aborted: {} }

const server = createServer((request, response) => {
  const { url = '' } = request
  if (url !== '/healthz') {
    state.requests++
    state.firstAt ||= Date.now()
    state.lastAt = Date.now()
  }
  response.on('close', () => {
    if (!response.writableFinished) state.aborted[url.slice(url.lastIndexOf('/') + 1)] = Date.now()
  })
  response.on('error', () => {})
  request.on('error', () => {})
  request.resume()
  if (url.startsWith('/endless/'))
    response.writeHead(200, { 'content-type': 'text/plain' }).write('x'.repeat(1_024))
  if (url.startsWith('/endless/') || url.startsWith('/hang/')) return
  const respond = () =>
    response
      .writeHead(status, { 'content-type': 'application/json', 'content-length': body.length })
      .end(body)
  if (delay > 0) setTimeout(respond, delay)
  else respond()
})
server.listen({ port, host, backlog: 4_096 }, () =>
  process.send?.({ port: (server.address() as AddressInfo).port })
)
process.on('message', ({ id }: { id: number }) =>
  server.getConnections((_error, connections) => process.send?.({ id, state: { ...state, connections } }))
)
process.on('SIGTERM', () => process.exit())
process.on('disconnect', () => process.exit())
