import { isUtf8 } from 'node:buffer'
import * as zlib from 'node:zlib'

/** Reads bodies: undoes content codings (RFC 9110, 8.4.1, and RFC 8878) and decodes text. */

const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH, ZSTD_e_flush } = zlib.constants

type Decoder = (bytes: Buffer, maxOutputLength: number, isTruncated: boolean) => Buffer

const gunzip: Decoder = (bytes, maxOutputLength, isTruncated) =>
  zlib.gunzipSync(bytes, { maxOutputLength, ...(isTruncated && { finishFlush: Z_SYNC_FLUSH }) })

const DECODERS: Record<string, Decoder> = {
  gzip: gunzip,
  'x-gzip': gunzip,
  deflate(bytes, maxOutputLength, isTruncated) {
    const options = { maxOutputLength, ...(isTruncated && { finishFlush: Z_SYNC_FLUSH }) }
    // Some services leave out the zlib header. The lower half of its first byte is 8 (RFC 1950, 2.2).
    const hasHeader = ((bytes[0] as number) & 15) === 8
    return hasHeader ? zlib.inflateSync(bytes, options) : zlib.inflateRawSync(bytes, options)
  },
  br: (bytes, maxOutputLength, isTruncated) =>
    zlib.brotliDecompressSync(bytes, {
      maxOutputLength,
      ...(isTruncated && { finishFlush: BROTLI_OPERATION_FLUSH })
    }),
  zstd: (bytes, maxOutputLength, isTruncated) =>
    zlib.zstdDecompressSync(bytes, { maxOutputLength, ...(isTruncated && { finishFlush: ZSTD_e_flush }) })
}

/** Returns the decoder of a content coding, in lower case, or undefined. */
export function decoderOf(coding: string): Decoder | undefined {
  return Object.hasOwn(DECODERS, coding) ? DECODERS[coding] : undefined
}

const MAX_CODINGS = 3

/**
 * Undoes the codings of a `Content-Encoding`, from the last to the first.
 * @param limit bytes of the result, and of each step between two codings
 * @throws for an unknown coding, a broken or truncated stream, or content larger than `limit`
 */
export function decodeContent(bytes: Buffer, encoding: string | string[] | undefined, limit: number): Buffer {
  if (encoding === undefined || bytes.length === 0) return bytes
  const codings = String(encoding)
    .toLowerCase()
    .split(',')
    .map(coding => coding.trim())
    .filter(coding => coding !== '' && coding !== 'identity')
  if (codings.length > MAX_CODINGS) throw new Error(`the content has ${codings.length} codings`)
  return codings.reduceRight((content, coding) => {
    const decode = decoderOf(coding)
    if (decode === undefined) throw new Error(`the content coding is not known: ${coding}`)
    return decode(content, limit, false)
  }, bytes)
}

const CHARSET = /;\s*charset\s*=\s*"?([\w.:-]+)/i

/**
 * Returns the text without its byte order mark (RFC 8259, 8.1).
 * @throws for an unknown charset, and for bytes that are invalid in it.
 */
export function readText(bytes: Buffer, contentType?: string | string[]): string {
  const charset = CHARSET.exec(String(contentType ?? ''))?.[1] ?? 'utf-8'
  if (!isUnicode(charset)) return new TextDecoder(charset, { fatal: true }).decode(bytes)
  if (!isUtf8(bytes)) throw new Error('the content is not UTF-8')
  return withoutByteOrderMark(bytes.toString('utf8'))
}

/** Returns true for names of UTF-8 and of its subset ASCII. */
export function isUnicode(charset: string): boolean {
  return /^(utf-?8|us-ascii)$/i.test(charset)
}

export function withoutByteOrderMark(text: string): string {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
}
