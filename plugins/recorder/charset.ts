/** Marks at the beginning of a text (Encoding Standard, section 6). */
const MARKS: [label: string, bytes: number[]][] = [
  ['utf-8', [0xef, 0xbb, 0xbf]],
  ['utf-16le', [0xff, 0xfe]],
  ['utf-16be', [0xfe, 0xff]]
]

/** The encoding that the first bytes of a text name, if they do. */
export function markOf(bytes: Buffer): string | undefined {
  return MARKS.find(([, mark]) => mark.every((byte, i) => bytes[i] === byte))?.[0]
}

/**
 * Decodes a text, or the beginning of one: by its mark, by the `charset` of its type, as UTF-8 otherwise. Undefined if that
 * is not what it is in, since its names could then not be read: an unknown charset, bytes that it does not have, or NUL,
 * which is in every text of two or four bytes a character.
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
