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
  'no-endpoint',
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

/** Why an exchange or an attempt failed, and whom it concerns. */
export interface Failure {
  readonly cause: Cause
  /** At most `MAX_DETAIL` characters, such as the path of the first invalid value. */
  readonly detail?: string | undefined
  /** Name of the upstream. */
  readonly upstream?: string | undefined
  /** URL of the endpoint. Undefined if the call failed before one was chosen. */
  readonly endpoint?: string | undefined
}

/** Characters of a detail. */
const MAX_DETAIL = 200

/** Returns a text that is short enough for a detail. */
export function toDetail(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined
  return text.length > MAX_DETAIL ? `${text.slice(0, MAX_DETAIL - 1)}…` : text
}
