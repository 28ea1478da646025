import type { ShownBody } from './decode.ts'
import type { Detail, Header } from './show.ts'

/** Exchanges as HTTP Archive 1.2, the oldest first, for the network panel of a browser. Made of what is redacted. */
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
      redirectURL: valueOf(response.headers, 'location'),
      headersSize: -1,
      bodySize: response.body?.size ?? 0
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
function absolute({ url, request }: Detail): string {
  const host = valueOf(request.headers, 'host') || valueOf(request.headers, ':authority')
  const path = url.startsWith('/') ? url.replace(/[^\x21-\x7e]|["<>\\^`{|}[\]]/g, encodeURIComponent) : '/'
  return `http://${/^[\w.:[\]-]{1,255}$/.test(host) ? host : 'unknown'}${path}`
}

function queryOf(url: string): object[] {
  const question = url.indexOf('?')
  return question === -1
    ? []
    : [...new URLSearchParams(url.slice(question + 1))].map(([name, value]) => ({ name, value }))
}

function valueOf(headers: Header[], name: string): string {
  return headers.find(([key]) => key.toLowerCase() === name)?.[1] ?? ''
}
