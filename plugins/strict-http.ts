import type { IncomingMessage, ServerResponse } from 'node:http'
import { Http2ServerResponse } from 'node:http2'
import type { Socket } from 'node:net'
import createError from '@fastify/error'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { endInOrder, rawProblem } from '../http/client-error.ts'
import { hasBody } from '../http/exchange.ts'
import { BadFraming, transferCodingFault } from '../http/framing.ts'
import { isHost, protocolOf, schemeOf } from '../http/host.ts'
import { refuseStream } from '../http/http2-methods.ts'
import { readingsOf } from '../http/path.ts'
import { UnsafePath } from '../proxy/errors.ts'

/**
 * What node's parser lets through and a gateway may not, since gateway and service could read it differently: refused
 * before anything else is done, and the connection closed. Also what a gateway answers by itself: `OPTIONS *`,
 * `Max-Forwards: 0`, `CONNECT`; and `Expect`, for which a client hears `100 Continue` once its body is wanted.
 */
export interface HttpGateOptions {
  /** Header lines. */
  maxHeadersCount: number
}

const BadHost = createError(
  'SLUICE_BAD_HOST',
  'The request needs one host, and a valid one',
  400,
  Error,
  false
)
const BadTarget = createError('SLUICE_BAD_TARGET', 'The request target is not valid', 400, Error, false)
const UnknownExpectation = createError(
  'SLUICE_UNKNOWN_EXPECTATION',
  'The expectation cannot be met',
  417,
  Error,
  false
)
const TooManyHeaders = createError('SLUICE_TOO_MANY_HEADERS', 'Too many header fields', 431, Error, false)
const UnknownVersion = createError('SLUICE_UNKNOWN_VERSION', 'HTTP version not supported', 505, Error, false)

const NOT_VISIBLE = /[^\x21-\x7e]/
const SLASH = 47

async function http(fastify: FastifyInstance, { maxHeadersCount }: HttpGateOptions) {
  const { server } = fastify
  const maxLines = maxHeadersCount * 2

  server.on('connect', (_request: IncomingMessage, socket: Socket | Http2ServerResponse) => {
    if (socket instanceof Http2ServerResponse) return refuseStream(socket, 501)
    socket.on('error', () => {})
    endInOrder(socket, rawProblem(501))
  })
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    // In HTTP/2 only the frames say that there is a body.
    if (hasBody(request) || request.httpVersionMajor === 2) continueOnRead(request, response)
    server.emit('request', request, response)
  })
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) =>
    server.emit('request', request, response)
  )

  fastify.addHook('onRequest', (request, reply, done) => {
    const { raw } = request
    const Fault = raw.rawHeaders.length > maxLines ? TooManyHeaders : faultOf(raw, request)
    if (Fault !== undefined) {
      reply.header('connection', 'close')
      return done(new Fault())
    }
    if (leadsElsewhere(request)) return done(new UnsafePath())
    const { upgrade, 'max-forwards': maxForwards } = raw.headers
    // Node's parser stops at an upgrade; what was sent behind it may be lost.
    if (upgrade !== undefined) reply.raw.shouldKeepAlive = false
    if (raw.url === '*' || (maxForwards !== undefined && isLastHop(raw, maxForwards as string)))
      return void reply.code(204).send()
    done()
  })
}

export default fp(http, { name: 'sluice-http', fastify: '5.x', dependencies: ['sluice-exchange'] })

function faultOf(raw: IncomingMessage, request: FastifyRequest): (new () => Error) | undefined {
  const { headers, method } = raw
  const isHttp2 = 'stream' in raw
  const isOld = !isHttp2 && raw.httpVersionMinor === 0
  if (raw.httpVersionMajor !== 1 && !isHttp2) return UnknownVersion

  // Of two lines node makes one value, which is no host.
  const host = isHttp2 ? (headers.host ?? (headers[':authority'] as string | undefined)) : headers.host
  if (host === undefined ? !isOld : !isHost(host)) return BadHost
  if (!isTarget(raw, request)) return BadTarget
  if (isHttp2) return faultOfHttp2(raw)

  const CodingFault = transferCodingFault(raw)
  if (CodingFault !== undefined) return CodingFault
  // RFC 9110, 9.3.1 and 9.3.8: a body that some read and others leave in the connection.
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

/** RFC 9112, 3.2. An absolute target of this host was replaced before routing: see host.ts. */
function isTarget(raw: IncomingMessage, request: FastifyRequest): boolean {
  const url = raw.url as string
  if (url.charCodeAt(0) !== SLASH) {
    if (url !== '*' || raw.method !== 'OPTIONS') return false
  }
  const scheme = schemeOf(raw)
  if (scheme !== undefined && scheme !== protocolOf(request)) return false
  if (!url.includes('#') && !url.includes('\\')) return true
  // The router ends the path at a fragment; some services take a backslash for a slash.
  return !/^[^?]*\\|#/.test(url)
}

/**
 * True if a service could read the path as that of another route, whose checks the request has not passed. Routes that
 * call no service interpret their path themselves.
 */
function leadsElsewhere({ routeOptions, method, server, raw }: FastifyRequest): boolean {
  const { url, config } = routeOptions
  if (config.calls === undefined) return false
  const own = withoutLastSlash(url as string)
  return readingsOf(raw.url as string).some(path => {
    const found = server.patternAt(method, path)
    return found !== undefined && withoutLastSlash(found) !== own
  })
}

function withoutLastSlash(pattern: string): string {
  return pattern.endsWith('/') ? pattern.slice(0, -1) : pattern
}

/** RFC 9110, 7.6.2: one hop less, or none. */
function isLastHop(raw: IncomingMessage, maxForwards: string): boolean {
  if ((raw.method !== 'OPTIONS' && raw.method !== 'TRACE') || !/^\d{1,9}$/.test(maxForwards)) return false
  if (Number(maxForwards) === 0) return true
  raw.headers['max-forwards'] = String(Number(maxForwards) - 1)
  return false
}

/**
 * `100 Continue` is for a body that somebody reads (RFC 9110, 10.1.1): not before a token or a limit has refused it.
 * Without it the client may send the body or not, so node ends the connection with the answer.
 */
function continueOnRead(request: IncomingMessage, response: ServerResponse): void {
  const read = request._read
  request._read = size => {
    request._read = read
    if (!response.headersSent) response.writeContinue()
    read.call(request, size)
  }
}
