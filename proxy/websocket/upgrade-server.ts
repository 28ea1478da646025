import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
import findMyWay from 'find-my-way'
import { lingeringClose } from '../../http/client-error.ts'
import { toOriginForm } from '../../http/host.ts'
import type { ServerResponse } from '../../http/node-internals.ts'
import { RecordedResponse } from '../../observe/recorder/response.ts'
import type { Headers } from '../call-types.ts'
import { toClientHeaders } from '../headers.ts'

/** Connection of a request that asks for another protocol, as Node hands it over. */
export interface Handover {
  socket: Duplex
  /** Bytes that followed the request's headers. */
  head: Buffer
}

/** Routes requests that ask for the WebSocket protocol through Fastify, with all hooks of their route. */
export interface UpgradeServer {
  /** Accepts upgrades at this path. Versions of a scope may have one route each at the same path. */
  addRoute(url: string): void
  /** Returns the connection of a request, or undefined if it asks for no upgrade. */
  handoverOf(request: IncomingMessage): Handover | undefined
}

export function createUpgradeServer(fastify: FastifyInstance): UpgradeServer {
  const routes = findMyWay()
  let hasRoutes = false
  const handovers = new WeakMap<IncomingMessage, Handover>()

  fastify.addHook('onReady', async () => {
    if (!hasRoutes) return
    const server = fastify.server as typeof fastify.server & {
      shouldUpgradeCallback: (request: IncomingMessage) => boolean
    }
    if (server.listenerCount('upgrade') > 0)
      throw new Error(
        'websocket needs the upgrade event of the server for itself, and another plugin listens for it'
      )
    // For any other route the request is an ordinary one whose Upgrade is ignored (RFC 9110, 7.8).
    server.shouldUpgradeCallback = request =>
      request.headers.upgrade?.toLowerCase() === 'websocket' &&
      request.method === 'GET' &&
      routes.find('GET', toOriginForm(request).split('?', 1)[0] as string) !== null
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      // Pipelined behind another request: Node no longer serves that one's response.
      if ((socket as { _httpMessage?: unknown })._httpMessage)
        return void socket.on('error', ignore).destroy()
      const response = respondOn(socket, request)
      handovers.set(request, { socket, head })
      fastify.routing(request, response)
    })
  })

  return {
    addRoute(url) {
      hasRoutes = true
      if (!routes.hasRoute('GET', url)) routes.on('GET', url, ignore)
    },
    handoverOf: request => handovers.get(request)
  }
}

/** Node creates no response for a request that asks for another protocol. */
function respondOn(socket: Duplex, request: IncomingMessage): ServerResponse {
  const response = new RecordedResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket as never)
  socket.on('error', ignore)
  // Reading shows that the client leaves. A client that sends anything before the response breaks the protocol.
  socket.on('data', destroy)
  socket.on('end', destroy)
  response.on('finish', () => {
    response.detachSocket(socket as never)
    // Node's server no longer closes the socket: a client that keeps its side open would hold the connection.
    if (response.statusCode !== 101) lingeringClose(socket as Socket)
    response.emit('close')
  })
  return response
}

/** Sends the 101 and leaves the client's connection paused, without HTTP's listeners and timeouts. */
export function switchProtocols(reply: FastifyReply, serviceHeaders: Headers, client: Duplex): void {
  client.off('data', destroy).off('end', destroy)
  client.pause()
  ;(client as Socket).setTimeout(0)
  reply.hijack()
  reply.raw.writeHead(101, {
    ...reply.getHeaders(),
    ...toClientHeaders(serviceHeaders, reply.request),
    'x-request-id': reply.request.id,
    connection: 'Upgrade',
    upgrade: 'websocket'
  } as Record<string, string>)
  reply.raw.end()
}

function destroy(this: Duplex): void {
  this.destroy()
}

function ignore(): void {}
