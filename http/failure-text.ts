import type { Cause, Failure } from './cause.ts'

/** Predicates of messages about an endpoint, and of those about an upstream. */
const ENDPOINT: Partial<Record<Cause, string>> = {
  'connection-refused': 'refused the connection',
  unreachable: 'cannot be reached',
  'connect-timeout': 'accepted no connection in time',
  'tls-failed': 'failed the TLS handshake',
  'connection-reset': 'broke the connection before the response was complete',
  'response-timeout': 'took too long to respond',
  'idle-timeout': 'sent no data for too long',
  'deadline-exceeded': 'had not responded at the deadline',
  'client-deadline-exceeded': "had not responded at the client's deadline",
  'invalid-response': 'sent an invalid response',
  'response-too-large': 'sent a response that is too large',
  'service-error': 'responded with an error',
  'service-rejected': 'rejected the request',
  'request-timeout': 'got no complete request before the deadline',
  stopping: 'had not responded when the gateway stopped',
  'client-aborted': 'had not responded when the client disconnected',
  'resources-exhausted': 'was not called: the process has no descriptor, port or memory left'
}
const UPSTREAM: Partial<Record<Cause, string>> = {
  'dns-failed': 'the name cannot be resolved',
  'breaker-open': 'the breaker is open',
  'bulkhead-full': 'the bulkhead and its queue are full'
}

/** Returns a message for the log: `upstream "orders": endpoint http://10.0.0.7:4002 refused the connection`. */
export function describeFailure({ cause, upstream, endpoint }: Failure): string {
  const deed = ENDPOINT[cause]
  const text =
    UPSTREAM[cause] ?? (endpoint === undefined || deed === undefined ? cause : `endpoint ${endpoint} ${deed}`)
  return upstream === undefined ? text : `upstream "${upstream}": ${text}`
}

/** Returns the members of a failure for the log. */
export function failureMembers({ cause, detail, upstream, endpoint }: Failure): object {
  return { cause, causeDetail: detail, upstream, endpoint }
}
