import {
  addressOf,
  escapePath,
  headerNamed,
  queryOf,
  resourceType,
  toContent,
  toHeader,
  toPostData
} from './har-parts.ts'
import type { Detail } from './show.ts'
import type { ShownAttempt } from './show-attempts.ts'

/**
 * Returns the entries of an exchange's attempts. Without what was sent and received they have the endpoint and the timing only;
 * a single one would then repeat its exchange.
 */
export function attemptEntries(exchange: Detail): object[] {
  const { upstreamAttempts = [] } = exchange
  if (upstreamAttempts.length === 1 && upstreamAttempts[0]?.request === undefined) return []
  return upstreamAttempts.map(attempt => toEntry(attempt, exchange))
}

function toEntry(attempt: ShownAttempt, { id, at, method, durationMs }: Detail): object {
  const { upstream, endpoint, part, retry, isMirror, cause, causeDetail, request, response } = attempt
  const { status = 0, startMs, endMs = Math.max(startMs, durationMs), headersMs = endMs } = attempt
  const url = (URL.parse(endpoint)?.origin ?? 'http://unknown') + escapePath(attempt.path ?? '/')
  const requestHeaders = request?.headers ?? []
  const responseHeaders = response?.headers ?? []
  return {
    startedDateTime: new Date(Date.parse(at) + startMs).toISOString(),
    time: endMs - startMs,
    request: {
      method: attempt.method ?? method,
      url,
      httpVersion: 'unknown',
      cookies: [],
      headers: requestHeaders.map(toHeader),
      queryString: queryOf(url),
      headersSize: -1,
      bodySize: request?.body?.size ?? 0,
      ...(request?.body && { postData: toPostData(request.body) })
    },
    response: {
      status,
      statusText: cause ?? '',
      httpVersion: 'unknown',
      cookies: [],
      headers: responseHeaders.map(toHeader),
      content: toContent(response?.body),
      redirectURL: headerNamed(responseHeaders, 'location'),
      headersSize: -1,
      bodySize: response?.body?.size ?? 0,
      _transferSize: response?.body?.size ?? 0
    },
    cache: {},
    timings: {
      blocked: -1,
      dns: -1,
      connect: -1,
      ssl: -1,
      send: 0,
      wait: headersMs - startMs,
      receive: endMs - headersMs
    },
    ...addressOf(endpoint),
    _resourceType: resourceType(status, responseHeaders),
    comment: describe(attempt),
    _sluice: { parent: id, upstream, endpoint, part, retry, isMirror, cause, causeDetail }
  }
}

/** Returns a line such as `retry 1 of upstream orders: connection-refused`. */
function describe({ upstream, part, retry, isMirror, cause, causeDetail }: ShownAttempt): string {
  const kind = isMirror ? 'mirrored request' : retry === 0 ? 'attempt' : `retry ${retry}`
  const place = `${kind} of upstream ${upstream}${part === undefined ? '' : `, part ${part}`}`
  return [place, cause, causeDetail].filter(Boolean).join(': ')
}
