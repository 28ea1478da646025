import { isUtf8 } from 'node:buffer'
import * as zlib from 'node:zlib'
import type { Headers } from './call-types.ts'

/**
 * The content of a collected response, decoded: content codings are undone up to a size, and the text is read by the
 * charset that the response names. Each function throws for content that it cannot read.
 */

/** RFC 9110, 8.4.1, and RFC 8878. Stacked codings are undone from the last to the first. */
const DECODERS: Record<string, (bytes: Buffer, options: zlib.ZlibOptions) => Buffer> = {
  gzip: zlib.gunzipSync,
  'x-gzip': zlib.gunzipSync,
  deflate: (bytes, options) =>
    // Some services leave out the zlib header. The lower half of its first byte is 8 (RFC 1950, 2.2).
    ((bytes[0] as number) & 15) === 8
      ? zlib.inflateSync(bytes, options)
      : zlib.inflateRawSync(bytes, options),
  br: (bytes, { maxOutputLength }) => zlib.brotliDecompressSync(bytes, { maxOutputLength }),
  zstd: (bytes, { maxOutputLength }) => zlib.zstdDecompressSync(bytes, { maxOutputLength })
}
const MAX_CODINGS = 3

/**
 * Undoes the codings of `Content-Encoding`. `limit`: bytes of the result, and of each step between two codings.
 * @throws for an unknown coding, a broken or truncated stream, or content larger than `limit`.
 */
export function decodeContent(
  bytes: Buffer,
  { 'content-encoding': encoding }: Headers,
  limit: number
): Buffer {
  if (encoding === undefined || bytes.length === 0) return bytes
  const codings = String(encoding)
    .toLowerCase()
    .split(',')
    .map(coding => coding.trim())
    .filter(coding => coding !== '' && coding !== 'identity')
  if (codings.length > MAX_CODINGS) throw new Error(`its content has ${codings.length} codings`)
  return codings.reduceRight((content, coding) => {
    if (!Object.hasOwn(DECODERS, coding)) throw new Error(`its content coding is not known: ${coding}`)
    return DECODERS[coding]?.(content, { maxOutputLength: limit }) ?? content
  }, bytes)
}

const CHARSET = /;\s*charset\s*=\s*"?([\w.:-]+)/i

/**
 * Returns the text without its byte order mark (RFC 8259, 8.1).
 * @throws for an unknown charset, and for bytes that are invalid in it.
 */
export function decodeText(bytes: Buffer, contentType?: string | string[]): string {
  const charset = CHARSET.exec(String(contentType ?? ''))?.[1] ?? 'utf-8'
  if (!isUnicode(charset)) return new TextDecoder(charset, { fatal: true }).decode(bytes)
  if (!isUtf8(bytes)) throw new Error('its content is not UTF-8')
  return withoutByteOrderMark(bytes.toString('utf8'))
}

/** True for the names of UTF-8 and of its subset ASCII. */
export function isUnicode(charset: string): boolean {
  return /^(utf-?8|us-ascii)$/i.test(charset)
}

export function withoutByteOrderMark(text: string): string {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
}
