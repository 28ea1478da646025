/** Marks at the beginning of a text (Encoding Standard, section 6). */
const MARKS: [label: string, bytes: number[]][] = [
  ['utf-8', [0xef, 0xbb, 0xbf]],
  ['utf-16le', [0xff, 0xfe]],
  ['utf-16be', [0xfe, 0xff]]
]

/** Returns the encoding that a byte order mark names, if there is one. */
export function markOf(bytes: Buffer): string | undefined {
  return MARKS.find(([, mark]) => mark.every((byte, i) => bytes[i] === byte))?.[0]
}

/**
 * Decodes a text, or the beginning of one, by its byte order mark, else by the `charset` of its type, else as UTF-8.
 * Returns undefined if that fails, since secrets could not be found by name: an unknown charset, invalid bytes, or NUL,
 * which every text with two or four bytes a character has.
 */
export function decodeText(bytes: Buffer, type: string): string | undefined {
  const [, charset] = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(type) ?? []
  try {
    const decoder = new TextDecoder(markOf(bytes) ?? charset ?? 'utf-8', { fatal: true, ignoreBOM: true })
    // As a stream, so that a last character may be cut.
    const text = decoder.decode(bytes, { stream: true })
    return text.includes('\0') ? undefined : text
  } catch {
    return undefined
  }
}
