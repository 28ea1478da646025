/** A line that is not a field, a comment or empty. The last one may be truncated. */
const OTHER_LINE = /^(?!\ufeff?(?:data|event|id|retry)(?::|$)|:|$)(?![a-z]{1,5}$(?![\s\S]))/m

/**
 * Masks an event stream (WHATWG HTML, section 9.2). The `data` lines of an event are one text; if masking changes it, the
 * first line gets all of it.
 */
export function maskEvents(text: string, mask: (data: string) => string): string {
  // JSON with the wrong content type.
  if (OTHER_LINE.test(text)) return mask(text)
  const shown: string[] = []
  let data: string[] = []
  for (const line of text.split(/\r\n|\r|\n/)) {
    const [, value] = /^data: ?(.*)$/s.exec(line) ?? []
    if (value !== undefined) {
      data.push(value)
      continue
    }
    flush()
    shown.push(line === '' ? line : maskLine(line))
  }
  flush()
  return shown.join('\n')

  function flush(): void {
    if (data.length === 0) return
    const joined = data.join('\n')
    for (const line of mask(joined).split('\n')) shown.push(`data: ${line}`)
    data = []
  }

  /** A comment, or a field other than `data`. */
  function maskLine(line: string): string {
    const colon = line.indexOf(':')
    return line.slice(0, colon + 1) + mask(line.slice(colon + 1))
  }
}
