/**
 * Masks members of a JSON text without parsing it: the rest stays as it was sent, to the digit, and a text that is cut
 * short, or was never JSON, is masked as far as it goes. `paths`: member names and item numbers, `*` for any.
 */
export function maskJson(
  text: string,
  isSecret: (name: string) => boolean,
  paths: string[][],
  mask: string
): string {
  const quoted = JSON.stringify(mask)
  /** Where the reader is: names of members, and numbers of items. */
  const at: (string | number)[] = []
  const closers: string[] = []
  let shown = ''
  let from = 0
  let isKey = false
  let i = 0

  while (i < text.length) {
    const char = text[i] as string
    if (char === '"') {
      const end = endOfString(text, i)
      if (isKey) {
        at[at.length - 1] = readKey(text.slice(i, end))
        isKey = false
        i = end
        continue
      }
      if (isMasked()) i = replace(i, end)
      else i = end
    } else if (char === '{' || char === '[') {
      if (isMasked()) i = replace(i, endOfGroup(text, i))
      else {
        closers.push(char)
        isKey = char === '{'
        at.push(isKey ? '' : 0)
        i++
      }
    } else if (char === '}' || char === ']') {
      closers.pop()
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
    } else if (/\s/.test(char)) i++
    else {
      let end = i + 1
      while (end < text.length && !/[\s,\]}:"[{]/.test(text[end] as string)) end++
      // A name without quotes is no JSON, but a name all the same.
      if (isKey) {
        at[at.length - 1] = text.slice(i, end)
        isKey = false
        i = end
      } else if (isMasked()) i = replace(i, end)
      else i = end
    }
  }
  return shown + text.slice(from)

  function isMasked(): boolean {
    const name = at.at(-1)
    if (typeof name === 'string' && closers.length > 0 && isSecret(name)) return true
    // Items of a list that has a secret's name went with the list.
    return paths.some(
      path =>
        path.length === at.length && path.every((part, depth) => part === '*' || part === String(at[depth]))
    )
  }

  function replace(start: number, end: number): number {
    shown += text.slice(from, start) + quoted
    from = end
    return end
  }
}

/** Behind the closing quote, or the end. */
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

/** With its escapes read: `p\u0061ssword` is a password. */
function readKey(quoted: string): string {
  try {
    return JSON.parse(quoted)
  } catch {
    return quoted.slice(1, -1)
  }
}
