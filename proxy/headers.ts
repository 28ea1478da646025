import type { FastifyRequest } from 'fastify'
import { consumerOf } from '../auth/consumer.ts'
import { issuedBy, type User } from '../auth/user.ts'
import { withoutAdminSession } from '../http/admin-cookie.ts'
import { clientAddress, NO_ADDRESS, toAddress } from '../http/client-address.ts'
import { FRAMING, HOP_BY_HOP, isClientsToSend, isDropped } from '../http/header-names.ts'
import { isHost, protocolOf } from '../http/host.ts'
import { passedTracestate } from '../http/trace-context.ts'
import type { Headers } from './call-types.ts'

/** Converts headers for services and clients (RFC 9110, 7.6.1). header-names.ts lists the client's headers that pass. */

/** Headers about the body. They do not pass when the gateway writes the body or reads the response itself. */
const ENTITY = new Set([
  'accept',
  'accept-encoding',
  'content-encoding',
  'content-type',
  'content-md5',
  'content-digest',
  'repr-digest',
  'digest',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
  'range'
])

const PSEUDONYM = 'sluice'

export { isClientsToSend }

/** Returns the request headers for an upstream. `contentLength`: of a forwarded body. */
export function toUpstreamHeaders(request: FastifyRequest, contentLength?: string): Headers {
  const headers = copyPassing(request, NONE)
  if (contentLength !== undefined && Number(contentLength) > 0) headers['content-length'] = contentLength
  return addGatewaysOwn(headers, request)
}

/** The same for a request that the gateway writes: without headers about the client's body and the response. */
export function toComposedHeaders(request: FastifyRequest): Headers {
  const headers = copyPassing(request, ENTITY)
  headers.accept = 'application/json'
  return addGatewaysOwn(headers, request)
}

const NONE: ReadonlySet<string> = new Set()

function copyPassing(request: FastifyRequest, but: ReadonlySet<string>): Headers {
  const inbound = request.headers as Headers
  const named = connectionNamed(inbound.connection)
  const allowed = request.exchange.config.passHeaders
  const headers: Headers = {}
  for (const name in inbound) {
    if (isDropped(name, allowed) || but.has(name) || named?.has(name)) continue
    headers[name] = inbound[name]
  }
  const { cookie } = headers
  if (typeof cookie === 'string') {
    const passed = withoutAdminSession(cookie)
    if (passed === undefined) delete headers.cookie
    else headers.cookie = passed
  }
  return headers
}

/** Response headers that do not pass: between gateway and service only, and the gateway's request id. */
const NOT_FOR_CLIENTS = new Set([...HOP_BY_HOP, 'x-request-id'])

/** Returns the upstream's response headers for a client. */
export function toClientHeaders(inbound: Headers, request: FastifyRequest): Headers {
  const named = connectionNamed(inbound.connection)
  const headers: Headers = {}
  for (const name in inbound) {
    if (NOT_FOR_CLIENTS.has(name) || named?.has(name)) continue
    headers[name] = inbound[name]
  }
  dropPlainHsts(headers, request)
  return headers
}

/** RFC 6797, 7.2: Strict-Transport-Security is not sent over plain HTTP. */
export function dropPlainHsts(headers: Headers, request: FastifyRequest): void {
  if (headers[HSTS] !== undefined && protocolOf(request) !== 'https') delete headers[HSTS]
}

const HSTS = 'strict-transport-security'

/** Response headers that the gateway sets. */
const GATEWAYS_OWN = new Set([
  'date',
  'x-request-id',
  'ratelimit',
  'ratelimit-policy',
  'deprecation',
  'sunset',
  'via',
  'sluice-missing'
])

/** Returns true for a response header that a route may change. */
export function isServicesToSend(name: string): boolean {
  return !HOP_BY_HOP.has(name) && !FRAMING.has(name) && !GATEWAYS_OWN.has(name)
}

/** A set, since a service may name thousands and send as many headers. */
function connectionNamed(connection: string | string[] | undefined): Set<string> | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined
  return new Set(
    String(connection)
      .toLowerCase()
      .split(',')
      .map(name => name.trim())
  )
}

function addGatewaysOwn(headers: Headers, request: FastifyRequest): Headers {
  const host = hostOf(request)
  const protocol = protocolOf(request)
  const { chain, forwarded } = hopsOf(request)
  const via = request.headers.via
  headers.via =
    via === undefined
      ? `${request.raw.httpVersion} ${PSEUDONYM}`
      : `${via}, ${request.raw.httpVersion} ${PSEUDONYM}`
  headers['x-forwarded-for'] = chain
  headers['x-forwarded-proto'] = protocol
  headers['x-forwarded-port'] = portOf(host, protocol)
  if (host !== '') headers['x-forwarded-host'] = host
  headers.forwarded = `${forwarded};${host === '' ? '' : `host="${host}";`}proto=${protocol}`
  headers['x-request-id'] = request.id
  headers.traceparent = request.exchange.traceparent
  if (request.headers.tracestate !== undefined) {
    const tracestate = passedTracestate(request.headers)
    if (tracestate !== undefined) headers.tracestate = tracestate
  }
  if (request.user) addUser(headers, request.user)
  return headers
}

/** Skips members of other types: an app's own plugin, such as @fastify/jwt, may have set `request.user`. */
function addUser(headers: Headers, { sub, tier, email, roles, permissions, [issuedBy]: issuer }: User): void {
  if (typeof sub === 'string') headers['x-user-id'] = sub
  if (issuer !== undefined) headers['x-user-issuer'] = issuer
  if (typeof tier === 'string') headers['x-user-tier'] = tier
  if (typeof email === 'string') headers['x-user-email'] = email
  if (Array.isArray(roles) && roles.length > 0) headers['x-user-roles'] = roles.join(',')
  if (Array.isArray(permissions) && permissions.length > 0)
    headers['x-user-permissions'] = permissions.join(',')
}

/**
 * Returns the value of a header that selects an endpoint or one side of a split. `x-user-…` is set by the gateway,
 * never by the client. `x-user-id` is the consumer, since two issuers may have the same subject.
 */
export function stickyHeader(request: FastifyRequest, name: string, headers: Headers): Headers[string] {
  if (name === 'x-user-id') return consumerOf(request)
  if (!name.startsWith('x-user-')) return headers[name]
  const own: Headers = {}
  if (request.user) addUser(own, request.user)
  return own[name]
}

/** Returns the port of the client's request. */
function portOf(host: string, protocol: string): string {
  const colon = host.lastIndexOf(':')
  const port = colon === -1 || host.endsWith(']') ? '' : host.slice(colon + 1)
  return port === '' ? (protocol === 'https' ? '443' : '80') : port
}

/** Fastify does not check `X-Forwarded-Host` of a trusted proxy, so invalid hosts are dropped here. */
function hostOf(request: FastifyRequest): string {
  if (isHost(request.host)) return request.host
  const host = request.headers.host ?? ''
  return isHost(host) ? host : ''
}

/** Returns the client's address and the trusted hops (RFC 7239). `request.ips` has no untrusted ones. */
function hopsOf(request: FastifyRequest): { chain: string; forwarded: string } {
  const ips = request.ips
  if (ips === undefined || ips.length < 2) {
    const address = clientAddress(request) ?? NO_ADDRESS
    return { chain: address, forwarded: `for=${node(address)}` }
  }
  // The first address is unchecked: a trusted proxy may pass on anything.
  const hops = ips.flatMap(ip => toAddress(ip) ?? []).reverse()
  return { chain: hops.join(', '), forwarded: hops.map(hop => `for=${node(hop)}`).join(', ') }
}

function node(address: string): string {
  return address.includes(':') ? `"[${address}]"` : address
}
