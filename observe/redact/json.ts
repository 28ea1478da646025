export interface JsonMask {
  isSecret(name: string): boolean
  /** Member names and item numbers, `*` for any. */
  paths: readonly string[][]
  mask: string
  /** Returns a string's value, or a name, with what is secret in it masked. */
  maskString(value: string): string
}

export interface MaskedJson {
  text: string
  /** False if a part is not JSON, so that it may contain a secret that was not found. */
  isSure: boolean
}

const LITERAL = /^(true|false|null|-?\d[\d.eE+-]*)$/
/** The beginning of a literal, at the end of a truncated text. */
const BEGUN = /^(t(r(ue?)?)?|f(a(l(se?)?)?)?|n(u(ll?)?)?|-?\d*[\d.eE+-]*)$/

/**
 * Masks members of a JSON text without parsing it, so that the rest stays as it was sent, digit by digit. Also masks truncated
 * texts, and several texts in a row.
 */
export function maskJson(text: string, { isSecret, paths, mask, maskString }: JsonMask): MaskedJson {
  const quoted = JSON.stringify(mask)
  /** Path of the current value: names of members and numbers of items. */
  const at: (string | number)[] = []
  const closers: string[] = []
  let shown = ''
  let from = 0
  let isKey = false
  let isSure = true
  let i = 0

  while (i < text.length) {
    const char = text[i] as string
    if (char === '"') {
      const end = endOfString(text, i)
      const value = readString(text.slice(i, end))
      const masked = isKey || !isMasked() ? maskString(value) : undefined
      if (masked === undefined) replace(i, end, quoted)
      else if (masked !== value) replace(i, end, JSON.stringify(masked))
      if (isKey) at[at.length - 1] = value
      isKey = false
      i = end
    } else if (char === '{' || char === '[') {
      if (isMasked()) {
        const end = endOfGroup(text, i)
        replace(i, end, quoted)
        i = end
      } else {
        closers.push(char)
        isKey = char === '{'
        at.push(isKey ? '' : 0)
        i++
      }
    } else if (char === '}' || char === ']') {
      isSure &&= closers.pop() === (char === '}' ? '{' : '[')
      at.pop()
      isKey = false
      i++
    } else if (char === ':') {
      isKey = false
      i++
    } else if (char === ',') {
      const last = at.length - 1
      isKey = closers[last] === '{'
      if (!isKey && typeof at[last] === 'number') at[last]++
      i++
    } else if (isSpace(char)) i++
    else {
      let end = i + 1
      while (end < text.length && !isDelimiter(text[end] as string)) end++
      const token = text.slice(i, end)
      isSure &&= !isKey && (LITERAL.test(token) || (end === text.length && BEGUN.test(token)))
      // A name without quotes is not JSON, but names its value nevertheless.
      if (isKey) at[at.length - 1] = token
      else if (isMasked()) replace(i, end, quoted)
      isKey = false
      i = end
    }
  }
  return { text: shown + text.slice(from), isSure }

  function isMasked(): boolean {
    const name = at.at(-1)
    if (typeof name === 'string' && closers.length > 0 && isSecret(name)) return true
    // A list with a secret name was masked with its items.
    return paths.some(
      path =>
        path.length === at.length && path.every((part, depth) => part === '*' || part === String(at[depth]))
    )
  }

  function replace(start: number, end: number, by: string): void {
    shown += text.slice(from, start) + by
    from = end
  }
}

/** White space of JSON, a byte order mark, and the separator of RFC 7464. */
function isSpace(char: string): boolean {
  return (
    char === ' ' || char === '\n' || char === '\r' || char === '\t' || char === '\ufeff' || char === '\x1e'
  )
}

function isDelimiter(char: string): boolean {
  return isSpace(char) || ',]}:"[{'.includes(char)
}

/** Returns the position behind the closing quote, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '"') return i + 1
  }
  return text.length
}

function endOfGroup(text: string, start: number): number {
  let depth = 0
  for (let i = start; i < text.length; i++) {
    const char = text[i]
    if (char === '"') i = endOfString(text, i) - 1
    else if (char === '{' || char === '[') depth++
    else if ((char === '}' || char === ']') && --depth === 0) return i + 1
  }
  return text.length
}

/** Decodes the escapes of a string, which may be truncated: `p\u0061ssword` is a password. */
function readString(quoted: string): string {
  if (!quoted.includes('\\') && quoted.length > 1 && quoted.endsWith('"')) return quoted.slice(1, -1)
  for (const text of [quoted, `${quoted.replace(/\\(u[\da-f]{0,3})?$/i, '')}"`])
    try {
      return JSON.parse(text)
    } catch {}
  return quoted.slice(1)
}
