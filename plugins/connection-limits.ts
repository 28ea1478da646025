import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { compile } from '@fastify/proxy-addr'
import { normalizeIP } from '@fastify/rate-limit'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { endGently, rawProblem } from '../http/client-error.ts'
import { hasBody } from '../http/exchange.ts'
import type { HttpOptions } from '../schemas/options/http.ts'

/**
 * Connections: how many there may be, in all and an address (IPv6: a /64), and one exchange at a time on each.
 * Pipelined requests wait for the answer before theirs (RFC 9112, 9.3.2, allows no more for methods that are not safe),
 * and none is carried out behind an answer that ends its connection.
 */
export interface ConnectionsOptions
  extends Pick<
    HttpOptions,
    'maxConnections' | 'maxConnectionsPerAddress' | 'maxRequestsPerSocket' | 'maxPipelinedRequests'
  > {
  /** Addresses and ranges that may have any number of connections. */
  trustProxy: string[]
  /** The listener speaks TLS: what is refused is refused before, which costs nothing, and is not told why. */
  tls: boolean
}

/** Connections that get an answer to say that there are too many. More are closed without. */
const REFUSED_AT_A_TIME = 100

/** Milliseconds for the rest of a request that has been answered. */
const LINGER = 1_000

const requests = Symbol('sluice.requests')
const pipelined = Symbol('sluice.pipelined')
type CountedSocket = Socket & { [requests]?: number; [pipelined]?: number }

async function connections(fastify: FastifyInstance, options: ConnectionsOptions) {
  const { server } = fastify
  const { maxConnections, maxConnectionsPerAddress, maxPipelinedRequests } = options
  const maxRequests = options.maxRequestsPerSocket || Number.POSITIVE_INFINITY
  const isTrusted = compile(options.trustProxy)
  const perAddress = new Map<string, number>()
  let open = 0

  server.maxConnections = maxConnections + REFUSED_AT_A_TIME
  server.on('connection', (socket: Socket) => {
    const { remoteAddress = '' } = socket
    // As limits count addresses: whoever has one of IPv6 has all of its /64.
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
    if (!options.tls) socket.destroySoon = endThis
    if (open > maxConnections || (own > maxConnectionsPerAddress && !isTrusted(remoteAddress, 0))) {
      if (options.tls) socket.destroy()
      else endGently(socket, rawProblem(503, 'Retry-After: 1\r\n'))
    }
  })
  server.on('secureConnection', (socket: TLSSocket) => {
    if (socket.alpnProtocol !== 'h2') socket.destroySoon = endThis
  })

  fastify.addHook('onRequest', ({ raw: request }, { raw: response }, done) => {
    if (request.httpVersionMajor !== 1) return done()
    // Null while an earlier answer is under way.
    if (response.socket === null) wait(request.socket, response, () => begin(request, response, done))
    else begin(request, response, done)
  })

  /** Pauses the socket until the earlier response has been sent. Each request that waits holds about 3 KiB. */
  function wait(socket: CountedSocket, response: ServerResponse, begin: () => void): void {
    // Node still parses what it had read before the socket was destroyed.
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
    // Not node's own limit, which says that the connection ends, and does not end it.
    const count = (socket[requests] ?? 0) + 1
    socket[requests] = count
    if (count >= maxRequests) response.shouldKeepAlive = false
    if (socket.writable) done()
  }
}

/** True once a request has come on it. */
export function hasServed(socket: Socket): boolean {
  return (socket as CountedSocket)[requests] !== undefined
}

export default fp(connections, { name: 'sluice-connections', fastify: '5.x' })

/** Node's server closes with this a connection whose answer was the last. */
function endThis(this: Socket): void {
  endGently(this)
}

/** Ends a connection whose request was answered before its body came, if the rest is not there within `LINGER` ms. */
function limitRest(request: IncomingMessage, socket: Socket): void {
  if (request.complete) return
  const timer = setTimeout(() => socket.destroy(), LINGER)
  request.once('close', () => clearTimeout(timer))
}
