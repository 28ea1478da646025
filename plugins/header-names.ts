/**
 * Which headers of a request a client may set for a service: not those that are between two hops, not those that only the
 * gateway may say, and by default none by which clients change what a service does.
 */

/** RFC 9110, 7.6.1. */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-authentication-info',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings'
])

/** Set by the gateway, or by the client of the pool. */
const REBUILT = new Set([
  'host',
  'content-length',
  'expect',
  'via',
  'forwarded',
  'x-real-ip',
  'x-request-id',
  'traceparent',
  'tracestate',
  'sluice-mirror'
])

/** Framing, and what the gateway settles with the service. */
export const FRAMING: ReadonlySet<string> = new Set([
  'content-length',
  'content-encoding',
  'content-range',
  'trailer'
])

/** Headers that other gateways, servers and frameworks take for their own, so that a client's would be believed. */
const MISLEADING = new Set([
  // Another path, method or host than the one that was routed and authorized.
  'x-original-url',
  'x-original-uri',
  'x-original-path',
  'x-original-method',
  'x-original-host',
  'x-rewrite-url',
  'x-rewrite-uri',
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
  'x-host',
  'x-http-host-override',
  'x-script-name',
  'script-name',
  'x-ingress-path',
  // HTTP_PROXY of a CGI-like service (CVE-2016-5385).
  'proxy',
  // Files that the service has its server send (CVE-2025-61780), checks that it skips (CVE-2025-29927).
  'x-sendfile-type',
  'x-accel-mapping',
  'x-middleware-subrequest',
  // Where the request came from, and how.
  'x-forwarded',
  'x-forward-for',
  'forwarded-for',
  'x-original-for',
  'x-original-proto',
  'client-ip',
  'x-client-ip',
  'true-client-ip',
  'x-cluster-client-ip',
  'cf-connecting-ip',
  'cf-connecting-ipv6',
  'fastly-client-ip',
  'x-azure-clientip',
  'x-originating-ip',
  'x-remote-ip',
  'x-remote-addr',
  'remote-addr',
  'proxy-client-ip',
  'wl-proxy-client-ip',
  'x-scheme',
  'x-url-scheme',
  'front-end-https',
  // Who sent it. RFC 9440, 4, has a proxy remove a client's own Client-Cert.
  'client-cert',
  'client-cert-chain',
  'x-client-cert',
  'remote-user',
  'x-remote-user',
  'x-webauth-user',
  'x-authenticated-user',
  'x-authenticated-userid'
])
const MISLEADING_PREFIX =
  /^(?:x-envoy-|x-auth-request-|x-consumer-|x-ssl-client-|ssl-client-|x-ms-client-principal|x-goog-authenticated-user-|x-amzn-oidc-)/

/** Headers that clients send most and that pass, so that one look-up settles them. */
const USUAL = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'authorization',
  'cache-control',
  'content-type',
  'cookie',
  'if-none-match',
  'origin',
  'referer',
  'user-agent'
])

/** True for a header that a client cannot set, whatever a scope allows. `name` in lower case. */
export function isGatewaysOwn(name: string): boolean {
  // CGI, WSGI, Rack and PHP take `x_user_id`, and some `x.user.id` or `x+user+id`, for `x-user-id`.
  const read = PLAIN.test(name) ? name : name.replace(/[^a-z0-9]/g, '-')
  return (
    HOP_BY_HOP.has(read) || REBUILT.has(read) || read.startsWith('x-forwarded-') || read.startsWith('x-user-')
  )
}

const PLAIN = /^[a-z0-9-]+$/

/**
 * True for a header that does not reach a service. `allowed`: names that a scope passes on, of those that are dropped by
 * default: the misleading ones, and every name with another character than a letter, a digit or `-`.
 */
export function isDropped(name: string, allowed: ReadonlySet<string> | undefined): boolean {
  if (USUAL.has(name)) return false
  if (isGatewaysOwn(name)) return true
  return isDroppedByDefault(name) && allowed?.has(name) !== true
}

/** True for a header that a scope may allow. `name` in lower case. */
export function isDroppedByDefault(name: string): boolean {
  return !PLAIN.test(name) || MISLEADING.has(name) || MISLEADING_PREFIX.test(name)
}

/** True for a header of a request that a route may change on its way to the service. `name` in lower case. */
export function isClientsToSend(name: string): boolean {
  return PLAIN.test(name) && !isGatewaysOwn(name) && !FRAMING.has(name)
}
