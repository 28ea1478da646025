import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Http2ServerResponse } from 'node:http2'
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { appState } from '../app-state.ts'
import { closeInOrder, rawProblem } from '../http/client-error.ts'
import { BadFraming, transferCodingFault } from '../http/framing.ts'
import { isHost, protocolOf, schemeOf } from '../http/host.ts'
import { rejectStream } from '../http/http2-methods.ts'
import { joinsDuplicateHeaders } from '../http/node-internals.ts'
import { readingsOf, UnsafePath } from '../http/path.ts'
import { createProblem } from '../http/problem.ts'
import { hasBody } from '../http/request-body.ts'
import { type RouteTable, routeTable } from '../http/route-table.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import type { Input } from '../schemas/options/defaults.ts'
import { StrictHttpOptions } from '../schemas/options/http.ts'

const BadHost = createProblem('SLUICE_BAD_HOST', 'The request needs exactly one valid Host', 400)
const BadTarget = createProblem('SLUICE_BAD_TARGET', 'The request target is not valid', 400)
const UnknownExpectation = createProblem('SLUICE_UNKNOWN_EXPECTATION', 'The expectation cannot be met', 417)
const TooManyHeaders = createProblem('SLUICE_TOO_MANY_HEADERS', 'Too many header fields', 431)
const UnknownVersion = createProblem('SLUICE_UNKNOWN_VERSION', 'The HTTP version is not supported', 505)

const NOT_VISIBLE = /[^\x21-\x7e]/
const SLASH = 47

/**
 * Rejects requests that Node's parser accepts, but that a gateway and a service could read differently, and closes their
 * connection. Register it before anything that reads the request.
 *
 * Answers `OPTIONS *`, `Max-Forwards: 0` and `CONNECT` itself, and sends `100 Continue` only when a body is read
 * (RFC 9110, 10.1.1).
 *
 * ```ts
 * const app = Fastify(serverOptions())
 * await app.register(strictHttp)
 * ```
 *
 * @throws at registration if the app was created without `serverOptions()`
 */
async function strictHttp(fastify: FastifyInstance, options: Input<typeof StrictHttpOptions> | undefined) {
  const { maxHeadersCount } = completeOptions(StrictHttpOptions, options ?? {}, 'strictHttp')
  const { server } = fastify
  if (!joinsDuplicateHeaders(server))
    throw new Error(
      'strictHttp: create the app with Fastify(serverOptions()); plain options hide faults from it'
    )
  const maxLines = maxHeadersCount * 2
  const routes = routeTable(fastify)
  // Node silently drops headers beyond its limit. Turn that off; the hook below answers 431.
  server.maxHeadersCount = 0

  // Once: a second listener for 'checkContinue' would have Fastify handle the request twice.
  appState(fastify, 'strict-http', () => listen(server))

  fastify.addHook('onRequest', (request, reply, done) => {
    const { raw } = request
    const Fault = raw.rawHeaders.length > maxLines ? TooManyHeaders : faultOf(raw, request)
    if (Fault !== undefined) {
      reply.header('connection', 'close')
      return done(new Fault())
    }
    if (leadsElsewhere(request, routes)) return done(new UnsafePath())
    const { upgrade, 'max-forwards': maxForwards } = raw.headers
    // Node's parser stops at an upgrade, so pipelined requests behind it may be lost.
    if (upgrade !== undefined) reply.raw.shouldKeepAlive = false
    if (raw.url === '*' || (maxForwards !== undefined && isLastHop(raw, maxForwards as string)))
      return void reply.code(204).send()
    done()
  })
}

function listen(server: Server): Server {
  server.on('connect', (_request: IncomingMessage, socket: Socket | Http2ServerResponse) => {
    if (socket instanceof Http2ServerResponse) return rejectStream(socket, 501)
    socket.on('error', () => {})
    closeInOrder(socket, rawProblem(501))
  })
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    // In HTTP/2 only the frames tell whether there is a body.
    if (hasBody(request) || request.httpVersionMajor === 2) continueOnRead(request, response)
    server.emit('request', request, response)
  })
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) =>
    server.emit('request', request, response)
  )
  return server
}

function faultOf(raw: IncomingMessage, request: FastifyRequest): (new () => Error) | undefined {
  const { headers, method } = raw
  const isHttp2 = 'stream' in raw
  const isOld = !isHttp2 && raw.httpVersionMinor === 0
  if (raw.httpVersionMajor !== 1 && !isHttp2) return UnknownVersion

  // Duplicate Host headers were joined by Node, and the joined value fails the pattern.
  const host = isHttp2 ? (headers.host ?? (headers[':authority'] as string | undefined)) : headers.host
  if (host === undefined ? !isOld : !isHost(host)) return BadHost
  if (!isTarget(raw, request)) return BadTarget
  if (isHttp2) return faultOfHttp2(raw)

  const CodingFault = transferCodingFault(raw)
  if (CodingFault !== undefined) return CodingFault
  // Some servers read such a body, others leave it in the connection (RFC 9110, 9.3.1 and 9.3.8).
  if ((method === 'GET' || method === 'HEAD' || method === 'TRACE') && hasBody(raw)) return BadFraming
  return isOld || isMet(headers.expect) ? undefined : UnknownExpectation
}

/** Returns the faults that Node's parser rejects in HTTP/1.1, but not in HTTP/2. */
function faultOfHttp2({ headers, url = '' }: IncomingMessage): (new () => Error) | undefined {
  const scheme = headers[':scheme'] as string
  // RFC 9113, 8.3.1: `:path` follows RFC 3986, which is ASCII.
  if (NOT_VISIBLE.test(url) || !/^https?$/i.test(scheme)) return BadTarget
  return isMet(headers.expect) ? undefined : UnknownExpectation
}

function isMet(expect: string | undefined): boolean {
  return expect === undefined || expect.toLowerCase() === '100-continue'
}

/** RFC 9112, 3.2. An absolute target with this host was already replaced by its path (http/host.ts). */
function isTarget(raw: IncomingMessage, request: FastifyRequest): boolean {
  const url = raw.url as string
  if (url.charCodeAt(0) !== SLASH) {
    if (url !== '*' || raw.method !== 'OPTIONS') return false
  }
  const scheme = schemeOf(raw)
  if (scheme !== undefined && scheme !== protocolOf(request)) return false
  if (!url.includes('#') && !url.includes('\\')) return true
  // The router ends the path at a fragment; some services read a backslash as a slash.
  return !/^[^?]*\\|#/.test(url)
}

/**
 * True if a service could read the path as that of another route, whose checks the request has not passed. Routes that
 * call no service interpret their path themselves.
 */
function leadsElsewhere({ routeOptions, method, raw }: FastifyRequest, routes: RouteTable): boolean {
  const { url, config } = routeOptions
  if (config.calls === undefined) return false
  const own = withoutLastSlash(url as string)
  return readingsOf(raw.url as string).some(path => {
    const found = routes.patternAt(method, path)
    return found !== undefined && withoutLastSlash(found) !== own
  })
}

function withoutLastSlash(pattern: string): string {
  return pattern.endsWith('/') ? pattern.slice(0, -1) : pattern
}

/** Decrements Max-Forwards. Returns true if this gateway is the last recipient (RFC 9110, 7.6.2). */
function isLastHop(raw: IncomingMessage, maxForwards: string): boolean {
  if ((raw.method !== 'OPTIONS' && raw.method !== 'TRACE') || !/^\d{1,9}$/.test(maxForwards)) return false
  if (Number(maxForwards) === 0) return true
  raw.headers['max-forwards'] = String(Number(maxForwards) - 1)
  return false
}

/**
 * Sends `100 Continue` when the body is first read: not before a token or a limit was rejected (RFC 9110, 10.1.1).
 * Without it the client may or may not send the body, so Node closes the connection after the response.
 */
function continueOnRead(request: IncomingMessage, response: ServerResponse): void {
  const read = request._read
  request._read = size => {
    request._read = read
    if (!response.headersSent) response.writeContinue()
    read.call(request, size)
  }
}

export default fp(strictHttp, { name: 'sluice-strict-http', fastify: '5.x' })
