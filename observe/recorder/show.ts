import type { Cause } from '../../http/cause.ts'
import type { Redactor } from '../redact/redactor.ts'
import { type Budget, MAX_SHOWN } from './decode.ts'
import { hiddenParts, type ShownAttempt, showAttempt } from './show-attempts.ts'
import { type Header, type ShownMessage, showMessage } from './show-message.ts'
import type { StoredExchange } from './stored-exchange.ts'

/** An exchange in a list of the admin API. */
export interface Summary {
  id: string
  requestId: string
  trace: string
  /** ISO date of the request headers. */
  at: string
  method: string
  url: string
  route?: string | undefined
  scope?: string | undefined
  version?: string | undefined
  /** 0 if no response was started. */
  status: number
  /** Code of the error that aborted the response. */
  abortReason?: string | undefined
  /** Why the exchange did not end well, and what is known of it. */
  cause?: Cause | undefined
  causeDetail?: string | undefined
  consumer?: string | undefined
  /** Address behind trusted proxies, if the access log has it. */
  clientAddress?: string | undefined
  tier?: string | undefined
  limit?: string | undefined
  upstream?: string | undefined
  endpoint?: string | undefined
  attempts?: number | undefined
  cache?: string | undefined
  /** Address at the other end of the connection. */
  remoteAddress?: string | undefined
  bytesReceived?: number | undefined
  bytesSent?: number | undefined
  durationMs: number
  /** Until the first upstream call, the last response headers, the end. */
  stages?: { queueMs: number; upstreamMs: number; sendMs?: number } | undefined
}

export interface Detail extends Summary {
  httpVersion: string
  /** True if the gateway terminated TLS. */
  isSecure: boolean
  request: ShownMessage
  response: ShownMessage & { statusText: string }
  /** By their start. Undefined for a single attempt that succeeded, unless what was sent and received is recorded. */
  upstreamAttempts?: ShownAttempt[] | undefined
}

/** @param prefix of the ids, unique to the process */
export function createShow(redactor: Redactor, prefix: string) {
  return { idOf, summary, details }

  function idOf({ number }: StoredExchange): string {
    return `${prefix}-${number.toString(36)}`
  }

  function summary(exchange: StoredExchange): Summary {
    const { requestId, traceparent, url, remoteAddress } = exchange.text()
    const { endedAt, method, route, scope, version, status, abortReason, consumer, clientAddress } = exchange
    const { cause, causeDetail } = exchange
    const { tier, limit, upstream, endpoint, attempts, cache, bytesReceived, bytesSent } = exchange
    const { durationMs, queueMs, upstreamMs, sendMs } = exchange
    return {
      id: idOf(exchange),
      requestId,
      trace: traceparent.slice(3, 35),
      at: new Date(endedAt - durationMs).toISOString(),
      method,
      url: redactor.url(url, route),
      route,
      scope,
      version,
      status,
      abortReason,
      cause,
      causeDetail,
      consumer,
      clientAddress,
      tier,
      limit,
      upstream,
      endpoint: endpoint && redactor.url(endpoint),
      attempts: upstream === undefined ? undefined : attempts,
      cache,
      remoteAddress,
      bytesReceived,
      bytesSent,
      durationMs,
      stages:
        queueMs === undefined || upstreamMs === undefined
          ? undefined
          : { queueMs, upstreamMs, ...(sendMs !== undefined && { sendMs }) }
    }
  }

  /** Returns the details of exchanges for one response; their bodies share one budget. */
  function details(exchanges: StoredExchange[]): Detail[] {
    const budget = { left: MAX_SHOWN }
    return exchanges.map(exchange => detail(exchange, budget))
  }

  function detail(exchange: StoredExchange, budget: Budget): Detail {
    const { url, requestHeaders, responseHead } = exchange.text()
    const { statusText, headers } = readHead(responseHead)
    const { upstreamAttempts } = exchange
    const shown = summary(exchange)
    const hidden = hiddenParts(url, shown.url)
    return {
      ...shown,
      httpVersion: exchange.httpVersion,
      isSecure: exchange.isSecure,
      request: showMessage(pairs(requestHeaders), exchange.requestBody, redactor, budget),
      response: { statusText, ...showMessage(headers, exchange.responseBody, redactor, budget) },
      upstreamAttempts:
        upstreamAttempts.length === 0
          ? undefined
          : upstreamAttempts.map(attempt => showAttempt(attempt, redactor, budget, hidden))
    }
  }
}

export type Show = ReturnType<typeof createShow>

function pairs(raw: string[]): Header[] {
  const headers: Header[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) headers.push([raw[i] as string, raw[i + 1] as string])
  return headers
}

function readHead(head: string): { statusText: string; headers: Header[] } {
  const [status = '', ...lines] = head.split('\r\n')
  const headers = lines.flatMap((line): Header[] => {
    const colon = line.indexOf(':')
    return colon === -1 ? [] : [[line.slice(0, colon), line.slice(colon + 1).trim()]]
  })
  return { statusText: status.split(' ').slice(2).join(' '), headers }
}
