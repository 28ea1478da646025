import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { isSameHost, protocolOf } from '../../http/host.ts'
import { createProblem, type ProblemError } from '../../http/problem.ts'
import type { UpstreamResponse } from '../call-types.ts'
import { createInvalidResponse, createStatusError } from '../errors.ts'
import { isServicesToSend, toClientHeaders } from '../headers.ts'

/** Checks the opening handshake (RFC 6455, 4) of a client and a service's response to it. */

const UpgradeRequired = createProblem('SLUICE_UPGRADE_REQUIRED', 'This route speaks WebSocket', 426)
const BadHandshake = createProblem('SLUICE_BAD_HANDSHAKE', 'The WebSocket handshake is not valid', 400)
const OriginRejected = createProblem('SLUICE_ORIGIN_REJECTED', 'The origin is not allowed', 403)

const UPGRADE = { upgrade: 'websocket', connection: 'upgrade' }
/** 16 bytes in base64. */
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/
/** As browsers write it (RFC 6454, 6.2). */
const ORIGIN = /^([a-z]+):\/\/([^/?#]+)$/
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/**
 * Returns the error for a request without an upgrade, or for another version of the protocol (RFC 9110, 15.5.22).
 * @param version the one that is supported, to be named in the response
 */
export function upgradeRequired(request: FastifyRequest, version?: string): ProblemError {
  return new UpgradeRequired({
    headers: {
      // HTTP/2 has no Upgrade.
      ...(request.raw.httpVersionMajor === 1 && UPGRADE),
      ...(version !== undefined && { 'sec-websocket-version': version })
    }
  })
}

/**
 * Checks the handshake of a client.
 * @param head bytes that followed the request's headers; none may, before the response
 * @throws SLUICE_UPGRADE_REQUIRED, SLUICE_BAD_HANDSHAKE or SLUICE_ORIGIN_REJECTED
 */
export function checkHandshake(request: FastifyRequest, head: Buffer, allowOrigins: readonly string[]): void {
  const { headers } = request
  if (headers['sec-websocket-version'] !== '13') throw upgradeRequired(request, '13')
  const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
  if (!KEY.test(headers['sec-websocket-key'] ?? '') || hasBody || head.length > 0) throw new BadHandshake()
  const { origin } = headers
  // Browsers send Origin, and cookies to any server that a page connects to (RFC 6455, 10.2).
  if (origin === undefined || allowOrigins.includes('*') || allowOrigins.includes(origin)) return
  const protocol = protocolOf(request)
  const [, scheme, host] = ORIGIN.exec(origin) ?? []
  if (scheme !== protocol || !isSameHost(host as string, request.host, protocol)) throw new OriginRejected()
}

/**
 * Checks that a service accepted the handshake as it was sent.
 * @throws SLUICE_UPSTREAM_INVALID_RESPONSE if it accepted something else
 */
export function checkAcceptance(request: FastifyRequest, { headers }: UpstreamResponse): void {
  const { 'sec-websocket-key': key, 'sec-websocket-protocol': offered = '' } = request.headers
  const protocol = headers['sec-websocket-protocol']
  const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64')
  const isOffered =
    protocol === undefined || offered.split(',').some(name => name.trim() === String(protocol).trim())
  if (
    headers['sec-websocket-accept'] !== accept ||
    String(headers.upgrade).toLowerCase() !== 'websocket' ||
    headers['sec-websocket-extensions'] !== undefined ||
    !isOffered
  )
    throw createInvalidResponse('the service accepted another handshake')
}

/** Headers of the service's body, which is replaced, and of an accepted handshake. */
const BODY_OR_HANDSHAKE =
  /^(?:content-.*|digest|repr-digest|etag|last-modified|accept-ranges|sec-websocket-(?:accept|extensions|protocol))$/

/**
 * Returns the error for a service's rejection of a handshake: its status and headers, which may say what to do (RFC 9110,
 * 11.6.1: `WWW-Authenticate`; RFC 6455, 4.2.2: `Sec-WebSocket-Version`), without its body.
 */
export function toRejection({ statusCode, headers }: UpstreamResponse, request: FastifyRequest): Error {
  if (statusCode < 400) return createInvalidResponse(`the service answered ${statusCode} to a handshake`)
  const error = createStatusError(statusCode, headers)
  const passed: ProblemError['headers'] = {}
  for (const [name, value] of Object.entries(toClientHeaders(headers, request)))
    if (value !== undefined && isServicesToSend(name) && !BODY_OR_HANDSHAKE.test(name)) passed[name] = value
  // RFC 9110, 15.5.22. The service's own Upgrade is for its connection to the gateway.
  error.headers = statusCode === 426 ? { ...passed, ...UPGRADE } : passed
  return error
}
