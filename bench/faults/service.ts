import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * A service process: SERVICE is `ServiceOptions` in JSON. Answers after `delay`, but for `/hang/…`, which it never answers, and
 * `/flow/…`, whose answer has no end. Tells its parent its port, and what it asks for.
 */
export interface ServiceOptions {
  host?: string
  port?: number
  status?: number
  /** Of a body. */
  bytes?: number
  /** Milliseconds before an answer. */
  delay?: number
}

export interface ServiceState {
  requests: number
  /** Epoch ms of the first and the last request. */
  firstAt: number
  lastAt: number
  /** Connections that are open. */
  connections: number
  /** Epoch ms at which a request that was not answered to its end was given up, by its path's last segment. */
  closed: Record<string, number>
}

const {
  host = '127.0.0.1',
  port = 0,
  status = 200,
  bytes = 64,
  delay = 0
} = JSON.parse(process.env.SERVICE as string) as ServiceOptions
const body = Buffer.from(JSON.stringify({ id: '1', text: 'x'.repeat(bytes) }))
const state: ServiceState = { requests: 0, firstAt: 0, lastAt: 0, connections: 0, closed: {} }

const server = createServer((request, response) => {
  const { url = '' } = request
  state.requests += url === '/healthz' ? 0 : 1
  if (url !== '/healthz') {
    state.firstAt ||= Date.now()
    state.lastAt = Date.now()
  }
  const isEndless = url.startsWith('/hang/') || url.startsWith('/flow/')
  response.on('close', () => {
    if (!response.writableFinished) state.closed[url.slice(url.lastIndexOf('/') + 1)] = Date.now()
  })
  response.on('error', () => {})
  request.on('error', () => {})
  request.resume()
  if (url.startsWith('/flow/'))
    response.writeHead(200, { 'content-type': 'text/plain' }).write('x'.repeat(1_024))
  if (isEndless) return
  const answer = () =>
    response
      .writeHead(status, { 'content-type': 'application/json', 'content-length': body.length })
      .end(body)
  if (delay > 0) setTimeout(answer, delay)
  else answer()
})
server.listen({ port, host, backlog: 4_096 }, () =>
  process.send?.({ port: (server.address() as AddressInfo).port })
)
process.on('message', ({ ask }: { ask: number }) =>
  server.getConnections((_error, connections) =>
    process.send?.({ to: ask, answer: { ...state, connections } })
  )
)
process.on('SIGTERM', () => process.exit())
process.on('disconnect', () => process.exit())
