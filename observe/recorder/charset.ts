import { isUtf8 } from 'node:buffer'

/** Byte order marks (Encoding Standard, section 6). */
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
  const label = markOf(bytes) ?? labelOf(bytes, charset?.toLowerCase() ?? 'utf-8')
  if (label === undefined) return undefined
  try {
    const decoder = new TextDecoder(label, { fatal: true, ignoreBOM: true })
    // As a stream, since the last character may be truncated.
    const text = decoder.decode(bytes, { stream: true })
    return text.includes('\0') ? undefined : text
  } catch {
    return undefined
  }
}

/**
 * Without a mark, `utf-16` is big-endian in RFC 2781, 4.3, and little-endian in the Encoding Standard; texts start with ASCII
 * in nearly all formats. Undefined if the bytes contradict the label: read wrongly, no name would be recognized.
 */
function labelOf(bytes: Buffer, label: string): string | undefined {
  if (!label.startsWith('utf-16') || bytes.length === 0) return label
  if (isUtf8(bytes) && !bytes.includes(0)) return undefined
  const found = bytes[0] === 0 ? 'utf-16be' : bytes[1] === 0 ? 'utf-16le' : undefined
  if (label === 'utf-16') return found
  return found === undefined || found === label ? label : undefined
}
