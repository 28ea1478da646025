import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { compile } from '@fastify/proxy-addr'
import { normalizeIP } from '@fastify/rate-limit'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { appState } from '../app-state.ts'
import { lingeringClose, rawProblem } from '../http/client-error.ts'
import { type CountedSocket, pipelined, requests } from '../http/connection-state.ts'
import { hasBody } from '../http/request-body.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import type { Input } from '../schemas/options/defaults.ts'
import { ConnectionLimitsOptions } from '../schemas/options/http.ts'

/** Rejected connections that get a 503 at a time. Further ones are closed without a response. */
const MAX_REJECTING = 100

/** ms for the rest of a request that was answered early. */
const LINGER = 1_000

/**
 * Limits connections, in total and per address, and processes one request at a time on each: pipelined requests wait for
 * the response before theirs (RFC 9112, 9.3.2). Register it once, on the app itself.
 *
 * A rejected connection gets 503 with `Retry-After`. With TLS it is closed before the handshake instead, which costs
 * nothing.
 *
 * ```ts
 * await app.register(connectionLimits, { maxConnections: 10_000, trustProxy: ['10.0.0.0/8'] })
 * ```
 */
async function connectionLimits(
  fastify: FastifyInstance,
  options: Input<typeof ConnectionLimitsOptions> | undefined
) {
  const registered = appState(fastify, 'connection-limits', () => new Set())
  if (registered.size > 0) throw new Error('connectionLimits: register it once, on the app itself')
  registered.add(fastify)
  const { server } = fastify
  const { maxConnections, maxConnectionsPerAddress, maxPipelinedRequests, maxRequestsPerSocket, trustProxy } =
    completeOptions(ConnectionLimitsOptions, options ?? {}, 'connectionLimits')
  const maxRequests = maxRequestsPerSocket || Number.POSITIVE_INFINITY
  const isTrusted = compile(trustProxy)
  const hasTls = 'setSecureContext' in server
  const perAddress = new Map<string, number>()
  let open = 0

  server.maxConnections = maxConnections + MAX_REJECTING
  server.on('connection', (socket: Socket) => {
    const { remoteAddress = '' } = socket
    // As rate limits count addresses: one client may have all of a /64.
    const address = remoteAddress.includes(':') ? normalizeIP(remoteAddress, 64) : remoteAddress
    const own = (perAddress.get(address) ?? 0) + 1
    perAddress.set(address, own)
    open++
    socket.once('close', () => {
      open--
      const left = (perAddress.get(address) as number) - 1
      if (left === 0) perAddress.delete(address)
      else perAddress.set(address, left)
    })
    if (!hasTls) socket.destroySoon = endThis
    if (open > maxConnections || (own > maxConnectionsPerAddress && !isTrusted(remoteAddress, 0))) {
      if (hasTls) socket.destroy()
      else lingeringClose(socket, rawProblem(503, 'Retry-After: 1\r\n'))
    }
  })
  server.on('secureConnection', (socket: TLSSocket) => {
    if (socket.alpnProtocol !== 'h2') socket.destroySoon = endThis
  })

  fastify.addHook('onRequest', ({ raw: request }, { raw: response }, done) => {
    if (request.httpVersionMajor !== 1) return done()
    // Null while an earlier response is being sent.
    if (response.socket === null) wait(request.socket, response, () => begin(request, response, done))
    else begin(request, response, done)
  })

  /** Pauses the socket until the earlier response has been sent. Each waiting request holds about 3 KiB. */
  function wait(socket: CountedSocket, response: ServerResponse, begin: () => void): void {
    // Node still parses bytes that it had read before the socket was destroyed.
    if (socket.destroyed) return
    const count = (socket[pipelined] ?? 0) + 1
    if (count > maxPipelinedRequests) return void socket.destroy()
    socket[pipelined] = count
    socket.pause()
    response.once('socket', () => {
      socket[pipelined] = (socket[pipelined] as number) - 1
      socket.resume()
      begin()
    })
  }

  function begin(request: IncomingMessage, response: ServerResponse, done: () => void): void {
    const socket = response.socket as CountedSocket
    if (hasBody(request)) response.once('finish', () => limitRest(request, socket))
    // Node's own limit announces `Connection: close`, but does not close the connection.
    const count = (socket[requests] ?? 0) + 1
    socket[requests] = count
    if (count >= maxRequests) response.shouldKeepAlive = false
    if (socket.writable) done()
  }
}

/** Node's server calls this to close a connection after its last response. */
function endThis(this: Socket): void {
  lingeringClose(this)
}

/** Closes a connection whose request was answered before its body arrived, unless the rest arrives within `LINGER` ms. */
function limitRest(request: IncomingMessage, socket: Socket): void {
  if (request.complete) return
  const timer = setTimeout(() => socket.destroy(), LINGER)
  request.once('close', () => clearTimeout(timer))
}

export default fp(connectionLimits, { name: 'sluice-connection-limits', fastify: '5.x' })
