import type { Cause } from '../../http/cause.ts'
import type { OpeningCause } from '../../proxy/breaker-types.ts'

/** The meaning of each cause for operators, and where to look. */
const MEANINGS: Record<Cause, string> = {
  'dns-failed': 'the name of the service does not resolve; check the name and the DNS server',
  'connection-refused': 'no process listens at this address; check that the service runs',
  unreachable: 'no route to this address; check the network',
  'connect-timeout': 'the service does not take connections in time; check its host, firewall and backlog',
  'tls-failed': 'the TLS handshake failed; check the certificates of both sides',
  'connection-reset': 'the service closed the connection; check whether it crashed or restarted',
  'response-timeout': 'the service sent no response headers in time; it is slow or blocked',
  'idle-timeout': 'the service stopped in the middle of its response',
  'deadline-exceeded': "the route's deadline passed; see in the exchange which call took the time",
  'client-deadline-exceeded': 'the deadline that the client gave passed',
  'invalid-response': 'the response does not match its schema at the path shown; the service has changed',
  'response-too-large': 'the response exceeds the limit of the gateway',
  'service-error': 'the service itself answered with 5xx; see its logs',
  'service-rejected': 'the service itself answered with 4xx',
  cancelled: 'the gateway no longer needed the call',
  'no-endpoint': 'an operator has taken all endpoints out; see the actions of the upstream',
  'breaker-open': 'the breaker rejects calls after many failures, or because an operator opened it',
  'bulkhead-full': 'too many calls to this upstream are in flight; the service is slow or traffic has grown',
  overloaded: 'the gateway cannot keep up; add workers or machines',
  'resources-exhausted': 'the gateway has no more sockets, ports or memory',
  stopping: 'the gateway stops',
  'limit-reached': 'the client has used up its limit',
  'limit-unavailable': 'the limit could not be counted; check Redis',
  'too-many-connections': 'the client has too many connections',
  'client-aborted': 'the client closed the connection before the response ended',
  'request-timeout': 'the client sent its request too slowly',
  'malformed-request': 'the request is not valid HTTP',
  'invalid-request': 'the request does not match the schema of the route',
  'body-too-large': 'the request body exceeds the limit of the route',
  unforwardable: 'the request cannot be forwarded safely',
  'no-route': 'no route has this path',
  'method-not-allowed': 'the route does not have this method',
  'version-unknown': 'this version of the API does not exist',
  'version-conflict': 'the request names two versions',
  'version-missing': 'the request names no version',
  'version-brownout': 'this version rejects requests for a while before its sunset',
  'version-gone': 'this version has reached its sunset',
  'token-missing': 'the client sent no token',
  'token-expired': 'the token of the client has expired',
  'token-invalid': 'the token of the client is not valid',
  'keys-unavailable': 'the keys of the issuer cannot be loaded; check the issuer',
  forbidden: 'the token does not allow this',
  'address-rejected': 'the address of the client is not allowed',
  'origin-rejected': 'the page of the client may not call this API',
  'gateway-rejected': 'a route or hook of the gateway rejected the request',
  'gateway-error': 'a route, hook or plugin of the gateway failed; see the log'
}

/** Causes of an open breaker that no exchange has. */
const OF_BREAKERS: Record<Exclude<OpeningCause, Cause>, string> = {
  'slow-calls': 'too many calls were slower than the threshold of the breaker',
  operator: 'an operator opened it'
}

const ALL = new Map(Object.entries({ ...MEANINGS, ...OF_BREAKERS }))

/** Returns what a cause means; undefined for a cause that the dashboard does not know. */
export function explain(cause: string): string | undefined {
  return ALL.get(cause)
}

/** All causes, in the order of docs/reference/causes.md. */
export const CAUSES: string[] = Object.keys(MEANINGS)
