import type { Detail } from './types.ts'

/** Headers that curl sets itself, or that describe one connection. */
const OMITTED = new Set([
  'host',
  'content-length',
  'connection',
  'transfer-encoding',
  'expect',
  'accept-encoding'
])

/** Returns a curl command that repeats an exchange. Masked secrets stay masked: replace them before it is run. */
export function curlOf(
  { method, url, isSecure, request: { headers, body } }: Detail,
  protocol: string
): string {
  const host = headers.find(([name]) => name.toLowerCase() === 'host')?.[1] ?? 'localhost'
  const scheme = isSecure || protocol === 'https:' ? 'https' : 'http'
  const lines = [`curl -X ${quote(method)} ${quote(`${scheme}://${host}${url}`)}`]
  for (const [name, value] of headers)
    if (!OMITTED.has(name.toLowerCase())) lines.push(`-H ${quote(`${name}: ${value}`)}`)
  if (body?.text !== undefined) lines.push(`--data-raw ${quote(body.text)}`)
  return lines.join(' \\\n  ')
}

/** Quotes for POSIX shells: everything between single quotes is literal. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
