import type { IncomingMessage } from 'node:http'
import { isIPv6 } from 'node:net'
import type { FastifyRequest } from 'fastify'

/** Validates and normalizes the scheme, host and target of a request. */

/** RFC 3986, 3.2.2, without userinfo, escapes and sub-delimiters. */
const HOST = /^(?:[\w.~-]{1,255}|\[([\da-fA-F:.]{2,45})\])(?::(\d{0,5}))?$/
const NAME = /^[\w.~-]{1,255}$/
const ABSOLUTE = /^(https?):\/\/([^/?#]*)(.*)$/i
const SLASH = 47
const MAX_PORT = 65_535

/** True for a name, or an address, with or without a port. */
export function isHost(value: string): boolean {
  if (NAME.test(value)) return true
  const match = HOST.exec(value)
  if (match === null) return false
  const [, ipv6, port] = match
  return (ipv6 === undefined || isIPv6(ipv6)) && (port === undefined || Number(port) <= MAX_PORT)
}

/** True if both name the same host and port; `scheme` gives the port that is left out (RFC 9110, 4.2.3). */
export function isSameHost(one: string, other: string, scheme: string): boolean {
  return one === other || withPort(one, scheme) === withPort(other, scheme)
}

function withPort(host: string, scheme: string): string {
  const port = scheme === 'https' ? 443 : 80
  const lower = host.toLowerCase()
  const colon = lower.lastIndexOf(':')
  if (colon === -1 || lower.endsWith(']')) return `${lower}:${port}`
  return `${lower.slice(0, colon)}:${Number(lower.slice(colon + 1)) || port}`
}

/**
 * Returns the protocol by which the client reached the gateway, or a trusted proxy before it. Schemes have no case (RFC
 * 3986, 3.1). Accepts only http and https, even from a trusted proxy.
 */
export function protocolOf({
  protocol,
  raw
}: { protocol: string } & Pick<FastifyRequest, 'raw'>): 'http' | 'https' {
  if (protocol === 'http' || protocol === 'https') return protocol
  const given = protocol.trim().toLowerCase()
  if (given === 'http' || given === 'https') return given
  return (raw.socket as { encrypted?: boolean } | null)?.encrypted ? 'https' : 'http'
}

/** Keeps the scheme of an absolute target that `toOriginForm` has replaced. */
const scheme = Symbol('sluice.scheme')
type AbsoluteMessage = IncomingMessage & { [scheme]?: string }

/**
 * Returns the target in origin form (RFC 9112, 3.2.1). Used as Fastify's `rewriteUrl`, so it runs before routing. An
 * absolute target of another host stays as it is; the http plugin rejects it.
 */
export function toOriginForm(raw: IncomingMessage): string {
  const url = raw.url as string
  if (url.charCodeAt(0) === SLASH) return url
  const [, given, authority, rest] = ABSOLUTE.exec(url) ?? []
  const { host } = raw.headers
  if (
    given === undefined ||
    host === undefined ||
    !isSameHost(authority as string, host, given.toLowerCase())
  )
    return url
  ;(raw as AbsoluteMessage)[scheme] = given.toLowerCase()
  // RFC 9112, 3.2.4 and RFC 9110, 4.2.3: an empty path is `/`, of OPTIONS `*`.
  if (rest === '') return raw.method === 'OPTIONS' ? '*' : '/'
  return rest?.startsWith('/') ? rest : `/${rest}`
}

/** Returns the scheme of a target that was absolute, else undefined. */
export function schemeOf(raw: IncomingMessage): string | undefined {
  return (raw as AbsoluteMessage)[scheme]
}
