/**
 * Decides which request headers of a client reach a service: no hop-by-hop headers, none that only the gateway sets,
 * and by default none that change how a service treats the request.
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

/** Set by the gateway or by undici. */
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

/** Framing and content coding, which the gateway negotiates with the service. */
export const FRAMING: ReadonlySet<string> = new Set([
  'content-length',
  'content-encoding',
  'content-range',
  'trailer'
])

/** Headers that services trust because a gateway or server in front of them usually sets them. */
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
  'x-override-url',
  'x-http-path-override',
  'x-path-info',
  'path-info',
  'x-backend-host',
  'x-middleware-rewrite',
  // Values that services trust as if their own callers had set them (W3C Baggage, 4.1).
  'baggage',
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
  'x-original-remote-addr',
  'x-azure-socketip',
  'x-appengine-user-ip',
  'x-sucuri-clientip',
  'x-proxyuser-ip',
  'incap-client-ip',
  'ali-cdn-real-ip',
  'cdn-src-ip',
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
  'x-authenticated-userid',
  'x-authenticated-email',
  'x-auth-user',
  'x-auth-email',
  'x-anonymous-consumer',
  'x-credential-identifier',
  'x-jwt-assertion',
  'x-endpoint-api-userinfo',
  'x-apigateway-api-userinfo'
])
/** grpc-gateway turns `Grpc-Metadata-X-User-Id` into the metadata `x-user-id`. */
const MISLEADING_PREFIX =
  /^(?:x-envoy-|x-auth-request-|x-consumer-|x-ssl-client-|ssl-client-|x-ms-client-principal|x-goog-authenticated-user-|x-goog-iap-|grpc-metadata-|x-amzn-oidc-)/

/** Frequent headers that always pass, so that one look-up is enough for them. */
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
 * True for a header that does not reach a service. `allowed`: the scope's `passHeaders`. By default misleading headers
 * are dropped, and names with characters other than letters, digits and `-`.
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
