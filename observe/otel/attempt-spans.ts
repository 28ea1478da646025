import type { Attributes, Span } from '@opentelemetry/api'
import type { AttemptListener, UpstreamAttempt } from '../../proxy/upstream-attempt.ts'
import { MASK, type Redactor } from '../redact/redactor.ts'

/**
 * Returns the listeners that start and end the CLIENT span of each attempt. The service gets the id of this span in
 * `traceparent`, so that its own spans are below the attempt that it saw.
 */
export function createAttemptSpans(redactor: Redactor): { start: AttemptListener; end: AttemptListener } {
  const spans = new WeakMap<UpstreamAttempt, Span>()
  return { start, end }

  function start(attempt: UpstreamAttempt): void {
    const { exchange, method, startedAt, part } = attempt
    const { trace } = exchange
    if (trace === undefined) return
    const span = trace.startCall(method, attributesOf(attempt), { startedAt, part })
    const { traceparent } = attempt.headers
    if (typeof traceparent === 'string')
      attempt.setHeader(
        'traceparent',
        traceparent.slice(0, 36) + span.spanContext().spanId + traceparent.slice(52)
      )
    spans.set(attempt, span)
  }

  function end(attempt: UpstreamAttempt): void {
    const span = spans.get(attempt)
    if (span === undefined) return
    const { exchange, status, cause, causeDetail, endedAt } = attempt
    if (status !== undefined) span.setAttribute('http.response.status_code', status)
    if (causeDetail !== undefined) span.setAttribute('sluice.cause_detail', causeDetail)
    const isError = cause !== undefined || (status !== undefined && status >= 400)
    exchange.trace?.end(span, isError ? (cause ?? String(status)) : undefined, endedAt)
  }

  function attributesOf({
    exchange,
    upstream,
    endpoint,
    method,
    path,
    retry,
    isMirror
  }: UpstreamAttempt): Attributes {
    const { origin, hostname, port, protocol } = new URL(endpoint)
    // The secret may be anywhere in the path that the service gets.
    const isSecret = exchange.route !== undefined && redactor.hasSecretParameter(exchange.route)
    const attributes: Attributes = {
      'http.request.method': method,
      'url.full': origin + (isSecret ? `/${MASK}` : redactor.url(path)),
      'server.address': hostname,
      'server.port': port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
      'service.peer.name': upstream
    }
    if (retry > 0) attributes['http.request.resend_count'] = retry
    if (isMirror) attributes['sluice.mirror'] = true
    return attributes
  }
}
