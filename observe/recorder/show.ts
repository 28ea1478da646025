import type { Redactor } from '../redact/redactor.ts'
import { type Budget, MAX_SHOWN, type ShownBody, showBody } from './decode.ts'
import type { Recorded } from './record.ts'

/** An exchange in a list: JSON, of which what is undefined is left out. Times in ms. */
export interface Summary {
  id: string
  requestId: string
  trace: string
  /** ISO date of the request's head. */
  at: string
  method: string
  url: string
  route?: string | undefined
  scope?: string | undefined
  version?: string | undefined
  /** 0 if no answer was begun. */
  status: number
  cut?: string | undefined
  consumer?: string | undefined
  tier?: string | undefined
  limit?: string | undefined
  upstream?: string | undefined
  endpoint?: string | undefined
  attempts?: number | undefined
  cache?: string | undefined
  remote?: string | undefined
  in?: number | undefined
  out?: number | undefined
  ms: number
  stages?: { admit: number; wait: number; send?: number } | undefined
}

export type Header = [name: string, value: string]

export interface Detail extends Summary {
  httpVersion: string
  /** Over TLS that ends here. */
  isSecure: boolean
  request: { headers: Header[]; body?: ShownBody | undefined }
  response: { statusText: string; headers: Header[]; body?: ShownBody | undefined }
}

/** `prefix`: of the process, so that ids of several are not mixed up. */
export function createShow(redactor: Redactor, prefix: string) {
  return { idOf, summary, details }

  function idOf({ number }: Recorded): string {
    return `${prefix}-${number.toString(36)}`
  }

  function summary(record: Recorded): Summary {
    const { requestId, traceparent, url, remote } = record.heads()
    const { endedAt, method, route, scope, version } = record
    const { status, cut, consumer, tier, limit, upstream, endpoint, attempts, cache } = record
    const { ms, admit, wait, send } = record
    return {
      id: idOf(record),
      requestId,
      trace: traceparent.slice(3, 35),
      at: new Date(endedAt - ms).toISOString(),
      method,
      url: redactor.url(url, route),
      route,
      scope,
      version,
      status,
      cut,
      consumer,
      tier,
      limit,
      upstream,
      endpoint: endpoint && redactor.url(endpoint),
      attempts: upstream === undefined ? undefined : attempts,
      cache,
      remote,
      in: record.bytesIn,
      out: record.bytesOut,
      ms,
      stages:
        admit === undefined || wait === undefined
          ? undefined
          : { admit, wait, ...(send !== undefined && { send }) }
    }
  }

  /** Returns the details of exchanges for one response; their bodies share one budget. */
  function details(records: Recorded[]): Detail[] {
    const budget = { left: MAX_SHOWN }
    return records.map(record => detail(record, budget))
  }

  function detail(record: Recorded, budget: Budget): Detail {
    const { requestHeaders, responseHead } = record.heads()
    const inbound = pairs(requestHeaders)
    const { statusText, headers: outbound } = readHead(responseHead)
    return {
      ...summary(record),
      httpVersion: record.httpVersion,
      isSecure: record.isSecure,
      request: {
        headers: inbound.map(redacted),
        body: showBody(
          record.requestBody,
          of(inbound, 'content-type'),
          of(inbound, 'content-encoding'),
          redactor,
          budget
        )
      },
      response: {
        statusText,
        headers: outbound.map(redacted),
        body: showBody(
          record.responseBody,
          of(outbound, 'content-type'),
          of(outbound, 'content-encoding'),
          redactor,
          budget
        )
      }
    }
  }

  function redacted([name, value]: Header): Header {
    return [name, redactor.header(name, value)]
  }
}

export type Show = ReturnType<typeof createShow>

function of(headers: Header[], name: string): string {
  return headers.find(([key]) => key.toLowerCase() === name)?.[1] ?? ''
}

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
