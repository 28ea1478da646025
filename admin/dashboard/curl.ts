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

/** All but tab and newline: a terminal may take them for keys when text is pasted. */
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f]+/g

/** Quotes for POSIX shells: everything between single quotes is literal. */
function quote(text: string): string {
  const quoted = `'${text.replaceAll("'", "'\\''")}'`
  return quoted.replaceAll(CONTROLS, controls => `'"$(printf '${octal(controls)}')"'`)
}

/** Returns the bytes of a text for printf. */
function octal(text: string): string {
  return [...new TextEncoder().encode(text)].map(byte => `\\${byte.toString(8).padStart(3, '0')}`).join('')
}
