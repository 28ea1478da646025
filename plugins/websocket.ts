import type { Duplex } from 'node:stream'
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  RouteGenericInterface,
  RouteOptions
} from 'fastify'
import fp from 'fastify-plugin'
import type { AuthenticatedInstance, WithAuthenticatedHooks } from '../auth/authenticated.ts'
import { expires } from '../auth/user.ts'
import type { ProblemError } from '../http/problem.ts'
import { requirePlugin } from '../http/require-plugin.ts'
import { spreadEvenly } from '../http/spread.ts'
import type { UpstreamResponse } from '../proxy/call-types.ts'
import { checkPrefixes, remainderOf } from '../proxy/forwarded-path.ts'
import { toUpstreamHeaders } from '../proxy/headers.ts'
import { createConnectionCounter } from '../proxy/websocket/connection-counter.ts'
import { Expiries } from '../proxy/websocket/expiry.ts'
import {
  checkAcceptance,
  checkHandshake,
  toRejection,
  upgradeRequired
} from '../proxy/websocket/handshake.ts'
import { createTunnel, type Tunnel } from '../proxy/websocket/tunnel.ts'
import { createUpgradeServer, type Handover, switchProtocols } from '../proxy/websocket/upgrade-server.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import type { UpstreamName } from '../schemas/options/upstream-name.ts'
import { WebSocketOptions } from '../schemas/options/websocket.ts'
import drain from './drain.ts'

/**
 * Connects WebSocket clients (RFC 6455) to an upstream. A handshake passes all hooks of its route, such as token and
 * limits, and is rejected over HTTP. Frames then pass unchanged.
 *
 * ```ts
 * await app.register(websocket)
 * app.websocket({ url: '/feed', upstream: 'orders', prefix: '/orders' })
 * ```
 *
 * The exchange, and with it the deadline, ends with the handshake. Registers `drain` if the app has not.
 */
export interface WebSocketRoute
  extends Omit<RouteOptions, 'handler' | 'method'>,
    Partial<Omit<WebSocketOptions, 'allowOrigins'>> {
  upstream: UpstreamName
  /** Replaces the scope's prefix: a path such as `/orders`, or `''`. */
  prefix: string
  allowOrigins?: readonly string[]
}

async function websocket(fastify: FastifyInstance) {
  requirePlugin(fastify, 'upstreams', 'websocket')
  if (fastify.hasDecorator('websocket')) return
  if (!fastify.hasPlugin('sluice-drain')) await fastify.register(drain)
  const upgrades = createUpgradeServer(fastify)
  const tunnels = new Set<Tunnel>()
  const expiries = new Expiries()
  let isDraining = false

  fastify.onDrain(duration => {
    isDraining = true
    const nextDelay = spreadEvenly(tunnels.size, duration)
    for (const tunnel of tunnels) setTimeout(tunnel.close, nextDelay())
  })

  fastify.decorate('websocket', function (this: FastifyInstance, route: WebSocketRoute) {
    const { own, rest } = splitOptions(route)
    const { upstream: name, prefix, ...options } = rest
    const routeName = `GET ${this.prefix}${route.url}`
    checkPrefixes(prefix, this, routeName)
    const upstream = this.upstream(name, routeName)
    const { allowOrigins, closeAtExpiry, maxConnections, ...tunnelOptions } = own
    const { maxConnectionsPerConsumer = Math.ceil(maxConnections / 2), ...limits } = tunnelOptions
    const counter = createConnectionCounter(maxConnections, maxConnectionsPerConsumer)
    const scopePrefix = this.prefix

    upgrades.addRoute(scopePrefix + route.url)
    if (route.url === '/' && scopePrefix !== '') upgrades.addRoute(scopePrefix)
    this.route({
      ...options,
      config: { ...options.config, calls: [{ pattern: 'websocket', upstream: name }] },
      method: 'GET',
      exposeHeadRoute: false,
      handler(request, reply) {
        const handover = upgrades.handoverOf(request.raw)
        if (handover === undefined) throw upgradeRequired(request)
        checkHandshake(request, handover.head, allowOrigins)
        const path = prefix + remainderOf(request.raw.url as string, scopePrefix)
        const headers = toUpstreamHeaders(request)
        // The limits here cannot follow what extensions do to frames.
        delete headers['sec-websocket-extensions']
        const release = counter.open(request)
        let service: Duplex | undefined
        reply.raw.once('close', () => {
          if (reply.raw.statusCode === 101 && reply.raw.writableFinished)
            return openTunnel(request, handover, service as Duplex, release)
          release()
          service?.destroy()
        })
        upstream.request(
          { exchange: request.exchange, method: 'GET', path, headers, buffer: true, upgrade: 'websocket' },
          (error, response) => {
            service = response?.socket?.on('error', ignore)
            if (error !== null) return void reply.send(error)
            answer(reply, response as UpstreamResponse, handover)
          }
        )
      }
    })
    return this

    function openTunnel(
      request: FastifyRequest,
      { socket }: Handover,
      service: Duplex,
      release: () => void
    ): void {
      const startedAt = performance.now()
      fastify.leaveOpen(socket)
      const tunnel = createTunnel(socket, service, limits, end => {
        release()
        tunnels.delete(tunnel)
        if (expiry) expiries.remove(expiry)
        const durationMs = Math.round(performance.now() - startedAt)
        request.log.info({ route: request.routeOptions.url, durationMs, ...end }, 'websocket closed')
      })
      const end = closeAtExpiry ? request.user?.[expires] : undefined
      const expiry = end === undefined ? undefined : expiries.add(tunnel, end)
      tunnels.add(tunnel)
      if (isDraining) tunnel.close()
    }
  })
}

/** Separates the options of WebSocket from those of Fastify's routes. */
function splitOptions(route: WebSocketRoute) {
  const names = Object.keys(WebSocketOptions.properties)
  const entries = Object.entries(route)
  const given = Object.fromEntries(entries.filter(([name]) => names.includes(name)))
  const rest = Object.fromEntries(entries.filter(([name]) => !names.includes(name)))
  return {
    own: completeOptions(WebSocketOptions, given, `websocket ${route.url}`),
    rest: rest as unknown as Omit<WebSocketRoute, keyof WebSocketOptions>
  }
}

/** Completes the handshake with the client, or rejects it as the service did. */
function answer(reply: FastifyReply, response: UpstreamResponse, { socket }: Handover): void {
  const { request } = reply
  try {
    if (response.socket === undefined) throw toRejection(response, request)
    checkAcceptance(request, response)
  } catch (error) {
    response.socket?.destroy()
    response.source?.blame(error as ProblemError)
    return void reply.send(error)
  }
  switchProtocols(reply, response.headers, socket)
}

function ignore(): void {}

declare module 'fastify' {
  interface FastifyInstance {
    websocket(route: WebSocketRoute): FastifyInstance
  }
}

declare module '../auth/authenticated.ts' {
  interface AuthenticatedMethods<Provider> {
    websocket<Route extends RouteGenericInterface = RouteGenericInterface>(
      route: WithAuthenticatedHooks<WebSocketRoute, Route>
    ): AuthenticatedInstance<Provider>
  }
}

export default fp(websocket, { name: 'sluice-websocket', fastify: '5.x' })
