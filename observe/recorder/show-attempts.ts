import type { Headers } from '../../proxy/call-types.ts'
import { MASK } from '../redact/mask.ts'
import type { Redactor } from '../redact/redactor.ts'
import type { StoredAttempt } from './attempts.ts'
import type { Budget } from './decode.ts'
import { type Header, type ShownMessage, showMessage } from './show-message.ts'

/** One request to an endpoint, as operators see it. */
export interface ShownAttempt extends Omit<StoredAttempt, 'content'> {
  method?: string
  /** Path and query as sent. */
  path?: string
  request?: ShownMessage
  response?: ShownMessage | undefined
}

/** @param hidden secrets of the client's URL, which a route may have put into the path */
export function showAttempt(
  { content, ...attempt }: StoredAttempt,
  redactor: Redactor,
  budget: Budget,
  hidden: ReadonlySet<string>
): ShownAttempt {
  const { endpoint, causeDetail } = attempt
  const shown = {
    ...attempt,
    endpoint: redactor.url(endpoint),
    causeDetail: causeDetail && redactor.body(causeDetail, 'text/plain')
  }
  if (content === undefined) return shown
  const { method, path, requestHeaders, responseHeaders, requestBody, responseBody } = content
  return {
    ...shown,
    method,
    path: pieces(redactor.url(path))
      .map(piece => (hidden.has(decode(piece)) ? MASK : piece))
      .join(''),
    request: showMessage(pairsOf(requestHeaders), requestBody, redactor, budget),
    response: responseHeaders && showMessage(pairsOf(responseHeaders), responseBody, redactor, budget)
  }
}

function pairsOf(headers: Headers): Header[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((one): Header => [name, one])
  )
}

/** Returns the parts of a URL that were masked; all of its parts, if the masked URL has others. */
export function hiddenParts(url: string, shown: string): ReadonlySet<string> {
  const given = pieces(url)
  const masked = pieces(shown)
  const hidden = given.filter((_, i) => masked.length !== given.length || masked[i] === MASK)
  return new Set(hidden.filter(piece => !/^[/?&=;#]?$/.test(piece)).map(decode))
}

function pieces(url: string): string[] {
  return url.split(/([/?&=;#])/)
}

function decode(piece: string): string {
  try {
    return decodeURIComponent(piece)
  } catch {
    return piece
  }
}
