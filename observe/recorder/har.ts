import { isIP } from 'node:net'
import type { ShownBody } from './decode.ts'
import type { Detail, Header } from './show.ts'

/**
 * Returns redacted exchanges as an HTTP Archive 1.2, the oldest first, for the network panel of a browser. Names that start
 * with `_` are extensions; `_resourceType` and `_transferSize` are Chromium's.
 */
export function toHar(exchanges: Detail[], version: string): object {
  return {
    log: {
      version: '1.2',
      creator: { name: 'Sluice', version },
      pages: [],
      entries: exchanges.toReversed().map(toEntry)
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
    _resourceType: resourceType(exchange),
    comment: [exchange.abortReason, exchange.route].filter(Boolean).join(' '),
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
      abortReason: exchange.abortReason,
      clientAddress: exchange.clientAddress,
      remoteAddress
    }
  }
}

function toHeader([name, value]: Header) {
  return { name, value }
}

function toPostData({ type, text, base64, hidden, isTruncated }: ShownBody): object {
  const comment = [base64 !== undefined && 'base64', isTruncated && 'truncated', hidden]
    .filter(Boolean)
    .join(', ')
  return { mimeType: type, text: text ?? base64 ?? '', ...(comment !== '' && { comment }) }
}

function toContent(body: ShownBody | undefined): object {
  if (body === undefined) return { size: 0, mimeType: '' }
  const { size, type, text, base64, hidden, isTruncated } = body
  const comment = hidden ?? (isTruncated ? 'truncated' : undefined)
  return {
    size,
    mimeType: type,
    ...(text !== undefined && { text }),
    ...(base64 !== undefined && { text: base64, encoding: 'base64' }),
    ...(comment !== undefined && { comment })
  }
}

/** Returns the absolute URL that HAR demands, with the host `unknown` if the request had no valid one. */
function absolute({ url, request, status, isSecure }: Detail): string {
  const host = headerNamed(request.headers, 'host') || headerNamed(request.headers, ':authority')
  const path = url.startsWith('/') ? url.replace(/[^\x21-\x7e]|["<>\\^`{|}[\]]/g, encodeURIComponent) : '/'
  const scheme = `${status === 101 ? 'ws' : 'http'}${isSecure ? 's' : ''}`
  return `${scheme}://${/^[\w.:[\]-]{1,255}$/.test(host) ? host : 'unknown'}${path}`
}

/** Returns the endpoint that was called last as the remote address. HAR allows IP addresses only. */
function addressOf(endpoint: string | undefined): object {
  const { hostname = '', port = '', protocol } = (endpoint && URL.parse(endpoint)) || {}
  const serverIPAddress = hostname.replace(/^\[|\]$/g, '')
  if (isIP(serverIPAddress) === 0) return {}
  return { serverIPAddress, connection: port || (protocol === 'https:' ? '443' : '80') }
}

/** Returns `fetch` where Chromium would guess `script` from the content type, as it does for JSON. */
function resourceType({ status, response }: Detail): string | undefined {
  if (status === 101) return 'websocket'
  const type = headerNamed(response.headers, 'content-type')
  return /^((image|font|audio|video)\/|text\/(html|css))|javascript/i.test(type) ? undefined : 'fetch'
}

function queryOf(url: string): object[] {
  const question = url.indexOf('?')
  return question === -1
    ? []
    : [...new URLSearchParams(url.slice(question + 1))].map(([name, value]) => ({ name, value }))
}

function headerNamed(headers: Header[], name: string): string {
  return headers.find(([key]) => key.toLowerCase() === name)?.[1] ?? ''
}
