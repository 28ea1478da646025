/** Media ranges of `Accept` with their parameters and weights (RFC 9110, 12.5.1). */
export interface MediaRange {
  /** In lower case: `application/json`, `application/*`. */
  type: string
  parameters: [name: string, value: string][]
  /** 0 to 1; one that is not a number counts as 1. */
  weight: number
}

export function parseAccept(accept: string): MediaRange[] {
  return splitOutsideQuotes(accept, ',').flatMap(range => {
    const [type = '', ...rest] = splitOutsideQuotes(range, ';').map(part => part.trim())
    if (type === '') return []
    let weight = 1
    const parameters: MediaRange['parameters'] = []
    for (const part of rest) {
      const equals = part.indexOf('=')
      if (equals === -1) continue
      const name = part.slice(0, equals).trim().toLowerCase()
      const value = unquote(part.slice(equals + 1).trim())
      if (name === 'q') weight = weightOf(value)
      else parameters.push([name, value])
    }
    return { type: type.toLowerCase(), parameters, weight }
  })
}

function weightOf(value: string): number {
  const weight = value === '' ? 1 : Number(value)
  return Number.isNaN(weight) ? 1 : Math.min(1, Math.max(0, weight))
}

/** RFC 9110, 5.6.4. */
function unquote(value: string): string {
  return value.startsWith('"') ? value.slice(1).replace(/"$/, '').replace(/\\(.)/g, '$1') : value
}

function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts: string[] = []
  let start = 0
  let isQuoted = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (isQuoted && character === '\\') at++
    else if (character === '"') isQuoted = !isQuoted
    else if (character === separator && !isQuoted) {
      parts.push(text.slice(start, at))
      start = at + 1
    }
  }
  parts.push(text.slice(start))
  return parts
}
