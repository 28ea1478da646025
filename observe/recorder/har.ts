import { isIP } from 'node:net'
import type { ShownBody } from './decode.ts'
import type { Detail, Header } from './show.ts'

/**
 * Exchanges as HTTP Archive 1.2, the oldest first, for the network panel of a browser. Made of what is redacted. Members
 * that begin with `_` are no part of it: `_resourceType` and `_transferSize` are Chromium's.
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
  const { at, ms, stages, method, status, httpVersion, request, response, remote } = exchange
  const protocol = `HTTP/${httpVersion}`
  const url = absolute(exchange)
  // Who has gone before the answer got none of it.
  const sent = exchange.out === 0 ? 0 : (response.body?.size ?? 0)
  return {
    startedDateTime: at,
    time: ms,
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
      // Otherwise the size would be that of the body, less the one byte that unknown headers are given as.
      _transferSize: exchange.out ?? sent
    },
    cache: {},
    timings: {
      blocked: stages?.admit ?? -1,
      dns: -1,
      connect: -1,
      ssl: -1,
      send: 0,
      wait: stages?.wait ?? ms,
      receive: stages?.send ?? 0
    },
    ...addressOf(exchange.endpoint),
    _resourceType: resourceType(exchange),
    comment: [exchange.cut, exchange.route].filter(Boolean).join(' '),
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
      cut: exchange.cut,
      remote
    }
  }
}

function toHeader([name, value]: Header) {
  return { name, value }
}

function toPostData({ type, text, base64, hidden, isCut }: ShownBody): object {
  const comment = [base64 !== undefined && 'base64', isCut && 'cut short', hidden].filter(Boolean).join(', ')
  return { mimeType: type, text: text ?? base64 ?? '', ...(comment !== '' && { comment }) }
}

function toContent(body: ShownBody | undefined): object {
  if (body === undefined) return { size: 0, mimeType: '' }
  const { size, type, text, base64, hidden, isCut } = body
  const comment = hidden ?? (isCut ? 'cut short' : undefined)
  return {
    size,
    mimeType: type,
    ...(text !== undefined && { text }),
    ...(base64 !== undefined && { text: base64, encoding: 'base64' }),
    ...(comment !== undefined && { comment })
  }
}

/** HAR has absolute URLs only. A host that is none is not made one. */
function absolute({ url, request, status, isSecure }: Detail): string {
  const host = headerNamed(request.headers, 'host') || headerNamed(request.headers, ':authority')
  const path = url.startsWith('/') ? url.replace(/[^\x21-\x7e]|["<>\\^`{|}[\]]/g, encodeURIComponent) : '/'
  const scheme = `${status === 101 ? 'ws' : 'http'}${isSecure ? 's' : ''}`
  return `${scheme}://${/^[\w.:[\]-]{1,255}$/.test(host) ? host : 'unknown'}${path}`
}

/** The endpoint that was called last, as the panel's remote address: by IP only, as HAR has it. */
function addressOf(endpoint: string | undefined): object {
  const { hostname = '', port = '', protocol } = (endpoint && URL.parse(endpoint)) || {}
  const serverIPAddress = hostname.replace(/^\[|\]$/g, '')
  if (isIP(serverIPAddress) === 0) return {}
  return { serverIPAddress, connection: port || (protocol === 'https:' ? '443' : '80') }
}

/** By its type Chromium would have all that is not of a page, JSON too, be a script. Undefined where it knows better. */
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
