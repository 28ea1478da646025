/**
 * Causes for which an exchange or an attempt did not end well (docs/reference/causes.md). Stable: logs, metrics, filters and
 * alerts use them.
 */
export const CAUSES = [
  // The connection to the service, and its response.
  'dns-failed',
  'connection-refused',
  'unreachable',
  'connect-timeout',
  'tls-failed',
  'connection-reset',
  'response-timeout',
  'idle-timeout',
  'deadline-exceeded',
  'client-deadline-exceeded',
  'invalid-response',
  'response-too-large',
  'service-error',
  'service-rejected',
  'cancelled',
  // The gateway protects services and itself.
  'breaker-open',
  'bulkhead-full',
  'overloaded',
  'resources-exhausted',
  'stopping',
  'limit-reached',
  'limit-unavailable',
  'too-many-connections',
  // The client and its request.
  'client-aborted',
  'request-timeout',
  'malformed-request',
  'invalid-request',
  'body-too-large',
  'unforwardable',
  'no-route',
  'method-not-allowed',
  'version-unknown',
  'version-conflict',
  'version-missing',
  'version-brownout',
  'version-gone',
  'token-missing',
  'token-expired',
  'token-invalid',
  'keys-unavailable',
  'forbidden',
  'address-rejected',
  'origin-rejected',
  // A route, hook or plugin.
  'gateway-rejected',
  'gateway-error'
] as const

export type Cause = (typeof CAUSES)[number]
