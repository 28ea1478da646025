import { attemptEntries } from './har-attempts.ts'
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

/**
 * Returns redacted exchanges as an HTTP Archive 1.2, the oldest first, for the network panel of a browser. The attempts of an
 * exchange follow as entries of their own. Names that start with `_` are extensions; `_resourceType` and `_transferSize` are Chromium's.
 */
export function toHar(exchanges: Detail[], version: string): object {
  return {
    log: {
      version: '1.2',
      creator: { name: 'Sluice', version },
      pages: [],
      entries: exchanges.toReversed().flatMap(exchange => [toEntry(exchange), ...attemptEntries(exchange)])
    }
  }
}

function toEntry(exchange: Detail): object {
  const { at, durationMs, stages, method, status, httpVersion, request, response, remoteAddress } = exchange
  const protocol = `HTTP/${httpVersion}`
  const url = absolute(exchange)
  // A client that disconnected before the response got nothing of it.
  const sent = exchange.bytesSent === 0 ? 0 : (response.body?.size ?? 0)
  return {
    startedDateTime: at,
    time: durationMs,
    request: {
      method,
      url,
      httpVersion: protocol,
      cookies: [],
      headers: request.headers.map(toHeader),
      queryString: queryOf(url),
      headersSize: -1,
      bodySize: request.body?.size ?? 0,
      ...(request.body && { postData: toPostData(request.body) })
    },
    response: {
      status,
      statusText: response.statusText,
      httpVersion: protocol,
      cookies: [],
      headers: response.headers.map(toHeader),
      content: toContent(response.body),
      redirectURL: headerNamed(response.headers, 'location'),
      headersSize: -1,
      bodySize: sent,
      // Without it, Chromium shows the size of the body and subtracts the unknown size of the headers (-1).
      _transferSize: exchange.bytesSent ?? sent
    },
    cache: {},
    timings: {
      blocked: stages?.queueMs ?? -1,
      dns: -1,
      connect: -1,
      ssl: -1,
      send: 0,
      wait: stages?.upstreamMs ?? durationMs,
      receive: stages?.sendMs ?? 0
    },
    ...addressOf(exchange.endpoint),
    _resourceType: resourceType(status, response.headers),
    comment: [exchange.cause, exchange.causeDetail, exchange.abortReason, exchange.route]
      .filter(Boolean)
      .join(' '),
    _sluice: {
      id: exchange.id,
      requestId: exchange.requestId,
      trace: exchange.trace,
      route: exchange.route,
      scope: exchange.scope,
      version: exchange.version,
      consumer: exchange.consumer,
      tier: exchange.tier,
      limit: exchange.limit,
      upstream: exchange.upstream,
      endpoint: exchange.endpoint,
      attempts: exchange.attempts,
      cache: exchange.cache,
      cause: exchange.cause,
      causeDetail: exchange.causeDetail,
      abortReason: exchange.abortReason,
      clientAddress: exchange.clientAddress,
      remoteAddress
    }
  }
}

/** Returns the absolute URL that HAR demands, with the host `unknown` if the request had no valid one. */
function absolute({ url, request, status, isSecure }: Detail): string {
  const host = headerNamed(request.headers, 'host') || headerNamed(request.headers, ':authority')
  const path = url.startsWith('/') ? escapePath(url) : '/'
  const scheme = `${status === 101 ? 'ws' : 'http'}${isSecure ? 's' : ''}`
  return `${scheme}://${/^[\w.:[\]-]{1,255}$/.test(host) ? host : 'unknown'}${path}`
}
