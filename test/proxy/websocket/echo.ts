import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { type ClientOptions, WebSocket, WebSocketServer } from 'ws'
import forward from '../../../plugins/forward.ts'
import type { WebSocketRoute } from '../../../plugins/websocket.ts'
import type { UpstreamOptions } from '../../../schemas/options/upstreams.ts'
import { type Ending, startGateway } from '../../harness.ts'

/** A service that answers each message with itself, in words where it is asked for them. */
export async function startEcho(t: Ending, options: object = {}) {
  const http = createServer((_request, response) => response.end('plain'))
  const service = new WebSocketServer({ server: http, maxPayload: 64 * 1_048_576, ...options })
  const requests: import('node:http').IncomingMessage[] = []
  const closes: number[] = []
  service.on('connection', (socket, request) => {
    requests.push(request)
    socket.on('error', () => {})
    socket.on('close', code => closes.push(code))
    socket.on('message', (data, isBinary) => {
      if (String(data) === 'leave') return socket.close(4_002, 'as asked')
      if (String(data) === 'break') return socket.terminate()
      socket.send(data, { binary: isBinary })
    })
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  t.teardown(() => {
    for (const socket of service.clients) socket.terminate()
    http.close()
    http.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, service, requests, closes }
}

export function start(
  t: Ending,
  url: string,
  route: Partial<WebSocketRoute> = {},
  {
    listen,
    hook,
    ...upstream
  }: Partial<UpstreamOptions> & { listen?: object; hook?: (app: FastifyInstance) => void } = {}
) {
  return startGateway(t, {
    ...(listen && { listen }),
    upstreams: { products: { url, ...upstream } },
    scopes: {
      feed: {
        prefix: '/feed',
        routes: async app => {
          hook?.(app)
          await app.register(forward)
          app.forward({ method: 'GET', url: '/plain', upstream: 'products', prefix: '' })
          app.websocket({ url: '/live', upstream: 'products', prefix: '/socket', ...route })
        }
      }
    }
  })
}

export function dial(
  t: Ending,
  url: string,
  protocols: string[] = [],
  options: ClientOptions = {}
): WebSocket {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/feed/live?q=%20`, protocols, options)
  socket.on('error', () => {})
  t.teardown(() => socket.terminate())
  return socket
}

/** The refusal of a handshake. */
export async function refused(socket: WebSocket) {
  const [, response] = await once(socket, 'unexpected-response')
  let text = ''
  for await (const chunk of response) text += chunk
  return { status: response.statusCode, headers: response.headers, json: JSON.parse(text) }
}

export const closeOf = async (socket: WebSocket): Promise<number> => (await once(socket, 'close'))[0]
