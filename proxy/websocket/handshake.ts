import { createHash } from 'node:crypto'
import createError from '@fastify/error'
import type { FastifyRequest } from 'fastify'
import { isSameHost, protocolOf } from '../../http/host.ts'
import type { ProblemError } from '../../http/problem.ts'
import type { UpstreamResponse } from '../attempt.ts'
import { UpstreamNonsense, upstreamStatus } from '../errors.ts'
import { isServicesToSend, toClientHeaders } from '../headers.ts'

/** The opening handshake (RFC 6455, 4), as the gateway asks it of a client, and checks it of a service. */

const UpgradeRequired = createError(
  'SLUICE_UPGRADE_REQUIRED',
  'This route speaks WebSocket',
  426,
  Error,
  false
)
const BadHandshake = createError(
  'SLUICE_BAD_HANDSHAKE',
  'The WebSocket handshake is not valid',
  400,
  Error,
  false
)
const OriginRefused = createError('SLUICE_ORIGIN_REFUSED', 'The origin is not allowed', 403, Error, false)

/** 16 bytes in base64. */
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/
/** As browsers write one (RFC 6454, 6.2). */
const ORIGIN = /^([a-z]+):\/\/([^/?#]+)$/
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** RFC 9110, 15.5.22. */
export function upgradeRequired(request: FastifyRequest, version?: string): ProblemError {
  const error: ProblemError = new UpgradeRequired()
  // In HTTP/2 there is no such thing.
  if (request.raw.httpVersionMajor === 1) error.headers = { upgrade: 'websocket', connection: 'upgrade' }
  if (version !== undefined) error.headers = { ...error.headers, 'sec-websocket-version': version }
  return error
}

/** @throws what the client is to be told, if it did not ask as it must. */
export function checkRequest(request: FastifyRequest, head: Buffer, allowOrigins: readonly string[]): void {
  const { headers } = request
  if (headers['sec-websocket-version'] !== '13') throw upgradeRequired(request, '13')
  const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
  // Nothing may follow before the answer.
  if (!KEY.test(headers['sec-websocket-key'] ?? '') || hasBody || head.length > 0) throw new BadHandshake()
  const { origin } = headers
  // Only browsers send one, and they send cookies to whomever a page names (RFC 6455, 10.2).
  if (origin === undefined || allowOrigins.includes('*') || allowOrigins.includes(origin)) return
  const protocol = protocolOf(request)
  const [, scheme, host] = ORIGIN.exec(origin) ?? []
  if (scheme !== protocol || !isSameHost(host as string, request.host, protocol)) throw new OriginRefused()
}

/** @throws UpstreamNonsense if the service agreed to something else. */
export function checkAnswer(request: FastifyRequest, { headers }: UpstreamResponse): void {
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
    throw new UpstreamNonsense({ cause: new Error('it agreed to another handshake') })
}

/** Headers of the service's body, which is replaced, and of an accepted handshake. */
const OF_BODY =
  /^(?:content-.*|digest|repr-digest|etag|last-modified|accept-ranges|sec-websocket-(?:accept|extensions|protocol))$/

/**
 * Returns a service's refusal of a handshake as the client gets it: its status with its headers, which may say what to do
 * (RFC 9110, 11.6.1: `WWW-Authenticate`; RFC 6455, 4.2.2: `Sec-WebSocket-Version`), and a body of the gateway's own.
 */
export function refusalOf({ statusCode, headers }: UpstreamResponse, request: FastifyRequest): Error {
  if (statusCode < 400)
    return new UpstreamNonsense({ cause: new Error(`it answered ${statusCode} to a handshake`) })
  const error = upstreamStatus(statusCode, headers)
  const passed: ProblemError['headers'] = {}
  for (const [name, value] of Object.entries(toClientHeaders(headers, request)))
    if (value !== undefined && isServicesToSend(name) && !OF_BODY.test(name)) passed[name] = value
  // RFC 9110, 15.5.22. The service's own Upgrade is for the connection to the gateway.
  if (statusCode === 426) Object.assign(passed, { upgrade: 'websocket', connection: 'upgrade' })
  error.headers = passed
  return error
}
