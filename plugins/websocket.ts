import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import createError from '@fastify/error'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import findMyWay from 'find-my-way'
import { consumerOf } from '../auth/consumer.ts'
import { clientNetwork } from '../http/client-address.ts'
import { lingeringClose } from '../http/client-error.ts'
import { toOriginForm } from '../http/host.ts'
import type { ServerResponse } from '../http/node-internals.ts'
import type { ProblemError } from '../http/problem.ts'
import { spreadEvenly } from '../http/spread.ts'
import { RecordedResponse } from '../observe/recorder/response.ts'
import type { Headers, UpstreamResponse } from '../proxy/attempt.ts'
import { checkPrefixes, remainderOf } from '../proxy/forwarded-path.ts'
import { toClientHeaders, toUpstreamHeaders } from '../proxy/headers.ts'
import { Expiries } from '../proxy/websocket/expiry.ts'
import { checkAnswer, checkRequest, refusalOf, upgradeRequired } from '../proxy/websocket/handshake.ts'
import { createTunnel, type Tunnel } from '../proxy/websocket/tunnel.ts'
import { expires } from './jwt.ts'
import type { UpstreamName } from './upstreams.ts'

/**
 * WebSocket (RFC 6455) through the gateway, as a route of its scope: token, limits and all else are settled before the
 * protocol changes, and what is refused is a problem over HTTP.
 *
 * ```ts
 * app.websocket({ url: '/feed', upstream: 'orders', prefix: '/orders' })
 * ```
 *
 * After it, frames pass as they are; only their heads are read. The exchange, and with it the deadline, ends with the
 * handshake.
 */
export interface WebSocketRoute extends Omit<RouteOptions, 'handler' | 'method'> {
  upstream: UpstreamName
  /** Put in the place of the scope's prefix. */
  prefix: string
  /** Origins besides the gateway's own that pages may connect from; `['*']` for all. */
  allowOrigins?: readonly string[]
  /** Bytes of a message. */
  maxMessage?: number
  /** Milliseconds without a byte from either side. */
  idleTimeout?: number
  /** Open at once, on this route of this process. */
  maxConnections?: number
  /** Open at once of one consumer, or of one address without a token; by default half of `maxConnections`. */
  maxConnectionsPerConsumer?: number
  /** False: a connection may outlive the token that it was opened with. */
  closeAtExpiry?: boolean
}

const TooManyConnections = createError(
  'SLUICE_TOO_MANY_CONNECTIONS',
  'Too many connections are open',
  503,
  Error,
  false
)

/** What node hands over of a request that wants another protocol. */
interface Handover {
  socket: Duplex
  head: Buffer
}

async function websocket(fastify: FastifyInstance) {
  const routes = findMyWay()
  let hasRoutes = false
  const handovers = new WeakMap<IncomingMessage, Handover>()
  const tunnels = new Set<Tunnel>()
  const expiries = new Expiries()
  let isDraining = false

  /** Versions of a scope may have one each at the same path. */
  const know = (url: string) => {
    if (!routes.hasRoute('GET', url)) routes.on('GET', url, ignore)
  }

  fastify.decorate(
    'websocket',
    function (
      this: FastifyInstance,
      {
        upstream: name,
        prefix,
        allowOrigins = [],
        maxMessage = 1_048_576,
        idleTimeout = 120_000,
        maxConnections = 1_000,
        maxConnectionsPerConsumer = Math.ceil(maxConnections / 2),
        closeAtExpiry = true,
        ...route
      }: WebSocketRoute
    ) {
      const routeName = `GET ${this.prefix}${route.url}`
      checkPrefixes(prefix, this, routeName)
      const upstream = this.upstream(name, routeName)
      const own = this.prefix
      let open = 0
      const openOf = new Map<string, number>()
      hasRoutes = true
      know(own + route.url)
      if (route.url === '/' && own !== '') know(own)
      this.route({
        ...route,
        config: { ...route.config, calls: [{ pattern: 'websocket', upstream: name }] },
        method: 'GET',
        exposeHeadRoute: false,
        handler(request, reply) {
          const handover = handovers.get(request.raw)
          if (handover === undefined) return void reply.send(upgradeRequired(request))
          checkRequest(request, handover.head, allowOrigins)
          if (open >= maxConnections) return void reply.send(tooMany())
          const consumer = holderOf(request)
          const held = openOf.get(consumer) ?? 0
          if (held >= maxConnectionsPerConsumer) return void reply.send(tooMany(429))
          const headers = toUpstreamHeaders(request)
          // What a service may do with it, the limits here cannot follow.
          delete headers['sec-websocket-extensions']
          open++
          openOf.set(consumer, held + 1)
          let service: Duplex | undefined
          // Of the exchange: the handshake is over, one way or the other.
          reply.raw.once('close', () => {
            if (reply.raw.statusCode === 101 && reply.raw.writableFinished) return join(service as Duplex)
            release()
            service?.destroy()
          })
          upstream.request(
            {
              exchange: request.exchange,
              method: 'GET',
              path: prefix + remainderOf(request.raw.url as string, own),
              headers,
              collect: true,
              upgrade: 'websocket'
            },
            (error, response) => {
              service = response?.socket?.on('error', ignore)
              try {
                if (error !== null) throw error
                if (service === undefined) throw refusalOf(response as UpstreamResponse, request)
                checkAnswer(request, response as UpstreamResponse)
              } catch (error) {
                service?.destroy()
                return reply.send(error)
              }
              accept(reply, (response as UpstreamResponse).headers, handover.socket)
            }
          )

          function release(): void {
            open--
            const left = (openOf.get(consumer) as number) - 1
            if (left === 0) openOf.delete(consumer)
            else openOf.set(consumer, left)
          }

          function join(service: Duplex): void {
            const startedAt = performance.now()
            const { socket } = handover as Handover
            fastify.leaveOpen(socket)
            const tunnel = createTunnel(socket, service, { maxMessage, idleTimeout }, end => {
              release()
              tunnels.delete(tunnel)
              if (expiry) expiries.remove(expiry)
              const ms = Math.round(performance.now() - startedAt)
              request.log.info({ route: request.routeOptions.url, ms, ...end }, 'websocket closed')
            })
            const end = closeAtExpiry ? request.user?.[expires] : undefined
            const expiry = end === undefined ? undefined : expiries.add(tunnel, end)
            tunnels.add(tunnel)
            if (isDraining) tunnel.close()
          }
        }
      })
      return this
    }
  )

  fastify.addHook('onReady', async () => {
    if (!hasRoutes) return
    const server = fastify.server as typeof fastify.server & {
      shouldUpgradeCallback: (request: IncomingMessage) => boolean
    }
    // To any other route it is a request like others, whose wish for another protocol is ignored (RFC 9110, 7.8).
    server.shouldUpgradeCallback = request =>
      request.headers.upgrade?.toLowerCase() === 'websocket' &&
      request.method === 'GET' &&
      routes.find('GET', toOriginForm(request).split('?', 1)[0] as string) !== null
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      // Ahead of the answer to another request, which node no longer serves: nobody means that.
      if ((socket as { _httpMessage?: unknown })._httpMessage)
        return void socket.on('error', ignore).destroy()
      const response = respondOn(socket, request)
      handovers.set(request, { socket, head })
      fastify.routing(request, response)
    })
  })

  fastify.onDrain(spread => {
    isDraining = true
    const laterOf = spreadEvenly(tunnels.size, spread)
    for (const tunnel of tunnels) setTimeout(tunnel.close, laterOf())
  })
}

export default fp(websocket, {
  name: 'sluice-websocket',
  fastify: '5.x',
  dependencies: ['sluice-upstreams', 'sluice-drain']
})

/** Node leaves a request that wants another protocol without a response. */
function respondOn(socket: Duplex, request: IncomingMessage): ServerResponse {
  const response = new RecordedResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket as never)
  socket.on('error', ignore)
  // Read on, or nobody would see the client leave; whoever speaks before the answer has not understood.
  socket.on('data', destroy)
  socket.on('end', destroy)
  response.on('finish', () => {
    response.detachSocket(socket as never)
    // Node's server no longer ends the socket: a client that keeps its side open would hold the connection.
    if (response.statusCode !== 101) lingeringClose(socket as Socket)
    response.emit('close')
  })
  return response
}

function accept(reply: FastifyReply, headers: Headers, client: Duplex): void {
  client.off('data', destroy).off('end', destroy)
  client.pause()
  // What node, or a route's own idle time, has set.
  ;(client as Socket).setTimeout(0)
  reply.hijack()
  reply.raw.writeHead(101, {
    ...reply.getHeaders(),
    ...toClientHeaders(headers, reply.request),
    'x-request-id': reply.request.id,
    connection: 'Upgrade',
    upgrade: 'websocket'
  } as Record<string, string>)
  reply.raw.end()
}

/** Returns the key under which the connection is counted. */
function holderOf(request: FastifyRequest): string {
  const consumer = consumerOf(request)
  return consumer === undefined ? `address:${clientNetwork(request)}` : `consumer:${consumer}`
}

function tooMany(status = 503): ProblemError {
  const error: ProblemError = new TooManyConnections()
  error.statusCode = status
  error.headers = { 'retry-after': '1' }
  return error
}

function destroy(this: Duplex): void {
  this.destroy()
}

function ignore(): void {}

declare module 'fastify' {
  interface FastifyInstance {
    websocket(route: WebSocketRoute): FastifyInstance
  }
}
