import { isIP } from 'node:net'
import type { ShownBody } from './decode.ts'
import type { Header } from './show-message.ts'

/** Parts of the entries of a HAR. */

export function toHeader([name, value]: Header) {
  return { name, value }
}

export function toPostData({ type, text, base64, hidden, isTruncated }: ShownBody): object {
  const comment = [base64 !== undefined && 'base64', isTruncated && 'truncated', hidden]
    .filter(Boolean)
    .join(', ')
  return { mimeType: type, text: text ?? base64 ?? '', ...(comment !== '' && { comment }) }
}

export function toContent(body: ShownBody | undefined): object {
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

/** Returns the endpoint that was called last as the remote address. HAR allows IP addresses only. */
export function addressOf(endpoint: string | undefined): object {
  const { hostname = '', port = '', protocol } = (endpoint && URL.parse(endpoint)) || {}
  const serverIPAddress = hostname.replace(/^\[|\]$/g, '')
  if (isIP(serverIPAddress) === 0) return {}
  return { serverIPAddress, connection: port || (protocol === 'https:' ? '443' : '80') }
}

export function queryOf(url: string): object[] {
  const question = url.indexOf('?')
  return question === -1
    ? []
    : [...new URLSearchParams(url.slice(question + 1))].map(([name, value]) => ({ name, value }))
}

export function headerNamed(headers: Header[], name: string): string {
  return headers.find(([key]) => key.toLowerCase() === name)?.[1] ?? ''
}

/** Encodes the characters that a URI must not contain (RFC 3986, 2). */
export function escapePath(path: string): string {
  return path.replace(/[^\x21-\x7e]|["<>\\^`{|}[\]]/g, encodeURIComponent)
}

/** Returns `fetch` where Chromium would guess `script` from the content type, as it does for JSON. */
export function resourceType(status: number, headers: Header[]): string | undefined {
  if (status === 101) return 'websocket'
  const type = headerNamed(headers, 'content-type')
  return /^((image|font|audio|video)\/|text\/(html|css))|javascript/i.test(type) ? undefined : 'fetch'
}
