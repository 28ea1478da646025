import { MASK } from './mask.ts'

/**
 * Finds secrets in text whose grammar is unknown: by their form (tokens, userinfo of URLs), or by a name before them.
 * All functions take time linear in the text's length.
 */

/** A JWT or JWE under any name. The look-behind keeps the search linear in a long run of such letters. */
const JWT = /(?<![\w-])eyJ[\w-]{4,}\.[\w-]+\.[\w.-]*/g
/** Credentials as `Authorization` has them (RFC 9110, section 11.4), in any header. */
export const CREDENTIALS = /^\s*(bearer|basic|digest|negotiate|token|apikey)\s+\S/i

/** The same within a text. Excludes prose such as `Bearer authentication` and `Basic plan`. */
const BEARER = /\b(bearer +)(?=[\w.~+/-]*\d|[\w.~+/-]{20})[\w.~+/=-]{8,}/gi
const BASIC = /\b(basic +)([a-z\d+/_-]{4,}={0,2})/gi
const PRIVATE_KEY = /-----BEGIN ([A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?)-----[\s\S]*?(?:-----END \1-----|$)/g

/** Masks secrets that are recognized by their form: tokens, credentials and private keys. */
export function maskTokens(text: string): string {
  let shown = text.includes('eyJ') ? text.replace(JWT, MASK) : text
  if (/bearer +|basic +/i.test(shown))
    shown = shown
      .replace(BEARER, `$1${MASK}`)
      .replace(BASIC, (all, scheme, value) =>
        Buffer.from(value, 'base64').includes(':') ? scheme + MASK : all
      )
  return shown.includes('PRIVATE KEY') ? shown.replace(PRIVATE_KEY, MASK) : shown
}

/** Masks `user:password@` of every URL in a text. */
export function maskUserinfo(text: string): string {
  let shown = ''
  let from = 0
  for (let slashes = text.indexOf('//'); slashes !== -1; slashes = text.indexOf('//', slashes + 2)) {
    const start = slashes + 2
    let at = -1
    let i = start
    for (; i < text.length && !ENDS_AUTHORITY.has(text[i] as string); i++) if (text[i] === '@') at = i
    // Two slashes within a path do not start a URL.
    const isUrl = slashes === 0 || !/[\w/.%-]/.test(text[slashes - 1] as string)
    if (isUrl && at > start) {
      shown += text.slice(from, start) + MASK
      from = at
    }
  }
  return from === 0 ? text : shown + text.slice(from)
}

const ENDS_AUTHORITY = new Set('/?#"\'<>\\ \t\r\n')

/** Names that stand before `:` or between `<` and `>` without being a secret's, as in `error code: 7`. */
const PROSE = new Set(['code', 'key', 'pin', 'pass', 'ticket', 'cookie', 'cookies', 'session', 'sessions'])
const MAX_NAME = 64
const MAX_GAP = 8

/** True if a value seems to follow a secret's name: `name=value`, `name: value`, `<name>value</name>`, `<input name=… value=…>`. */
export function hasSecretPair(text: string, isSecret: (name: string) => boolean): boolean {
  for (let i = 0; i < text.length; i++) {
    const char = text[i]
    if (char === '=' || char === ':') {
      const name = nameBefore(text, i)
      if (name === '' || (char === ':' && PROSE.has(name.toLowerCase()))) continue
      if (isPartName(name, text, i) && isSecret(nameAfterQuote(text, i + 1))) return true
      if (isSecret(name) && (hasValue(text, i + 1) || (char === ':' && hasBlock(text, i + 1)))) return true
    } else if (char === '<') {
      if (isSecretField(text, i, isSecret)) return true
      const name = nameAfter(text, i + 1)
      if (name === '' || PROSE.has(name.toLowerCase()) || !isSecret(name)) continue
      if (!isEmptyElement(text, i + 1 + name.length)) return true
    }
  }
  return false
}

/** Returns the name that ends before `end`, without quotes, escapes and space. */
function nameBefore(text: string, end: number): string {
  let last = end
  while (last > 0 && end - last < MAX_GAP && ' \t"\'`\\'.includes(text[last - 1] as string)) last--
  let first = last
  while (first > 0 && last - first < MAX_NAME && isNameChar(text.charCodeAt(first - 1))) first--
  return text.slice(first, last)
}

/** RFC 7578, 4.2: `form-data; name="password"`. The value is in the lines after the headers. */
function isPartName(name: string, text: string, end: number): boolean {
  return name.toLowerCase() === 'name' && /form-data\s*;/i.test(text.slice(Math.max(0, end - MAX_NAME), end))
}

function nameAfterQuote(text: string, start: number): string {
  return /^\s*"?([^";\r\n]*)/.exec(text.slice(start, start + MAX_NAME))?.[1] ?? ''
}

/** The name of an element, with its prefix. */
function nameAfter(text: string, start: number): string {
  let end = start
  while (
    end < text.length &&
    end - start < MAX_NAME &&
    (text[end] === ':' || isNameChar(text.charCodeAt(end)))
  )
    end++
  return text.slice(start, end)
}

/** Letters, digits, `_`, `$`, `-`, `.`, `%`, brackets, and all that is not ASCII. */
function isNameChar(code: number): boolean {
  return (
    (code >= 97 && code <= 122) ||
    (code >= 65 && code <= 90) ||
    (code >= 48 && code <= 57) ||
    code === 95 ||
    code === 36 ||
    code === 45 ||
    code === 46 ||
    code === 37 ||
    code === 91 ||
    code === 93 ||
    code > 127
  )
}

/** Returns false for an empty or masked value. */
function hasValue(text: string, start: number): boolean {
  let i = start
  while (i < text.length && i - start < MAX_GAP && ' \t"\'`\\>'.includes(text[i] as string)) i++
  return i < text.length && !'\r\n,;&}<'.includes(text[i] as string) && !text.startsWith(MASK, i)
}

/** YAML: the value is in the next lines. */
const BLOCK = /[ \t]{0,8}\r?\n(?:[ \t]+|- )[^\s}\])]/y

function hasBlock(text: string, start: number): boolean {
  BLOCK.lastIndex = start
  return BLOCK.test(text)
}

const TAG = /<([\w:.-]+)\s([^<>]{1,1024})\/?>?/y
/** An attribute that names a field, and one that has its value. */
const FIELD = /(?:^|\s)(?:name|key|id|type|property|http-equiv)\s*=\s*["']?([^\s"'>]+)/gi
const FIELD_VALUE = /(?:^|\s)(?:value|content)\s*=\s*(?:"[^"]|'[^']|[^\s"'>])/i
/** Elements whose text is not the value of what they name. */
const LABELS = /^(a|button|div|form|h\d|input|label|li|link|meta|p|section|span|t[dh])$/i

/** True for `<input name="csrf" value="x">` and `<entry key="password">x</entry>`. */
function isSecretField(text: string, start: number, isSecret: (name: string) => boolean): boolean {
  TAG.lastIndex = start
  const [tag = '', element = '', attributes = ''] = TAG.exec(text) ?? []
  if (tag === '' || !attributes.includes('=')) return false
  const hasText =
    tag.endsWith('>') &&
    !LABELS.test(element) &&
    /^\s{0,64}[^\s<]/.test(text.slice(start + tag.length, start + tag.length + 65))
  if (!hasText && !FIELD_VALUE.test(attributes)) return false
  return [...attributes.matchAll(FIELD)].some(([, name]) => isSecret(name as string))
}

function isEmptyElement(text: string, start: number): boolean {
  const end = text.slice(start, start + 256).indexOf('>')
  if (end === -1) return false
  return text[start + end - 1] === '/' || text.startsWith('</', start + end + 1)
}
