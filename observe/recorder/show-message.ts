import type { Redactor } from '../redact/redactor.ts'
import type { StoredBody } from './bodies.ts'
import { type Budget, type ShownBody, showBody } from './decode.ts'

export type Header = [name: string, value: string]

/** Redacted headers and body of a request or response. */
export interface ShownMessage {
  headers: Header[]
  body?: ShownBody | undefined
}

export function showMessage(
  headers: Header[],
  body: StoredBody | undefined,
  redactor: Redactor,
  budget: Budget
): ShownMessage {
  const first = (name: string) => headers.find(([key]) => key.toLowerCase() === name)?.[1] ?? ''
  return {
    headers: headers.map(([name, value]) => [name, redactor.header(name, value)]),
    body: showBody(body, first('content-type'), first('content-encoding'), redactor, budget)
  }
}
