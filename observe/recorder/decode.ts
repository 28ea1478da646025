import { isUtf8 } from 'node:buffer'
import { decoderOf } from '../../http/content.ts'
import type { Redactor } from '../redact/redactor.ts'
import type { StoredBody } from './bodies.ts'
import { decodeText, markOf } from './charset.ts'

/** A body as operators see it: redacted text, or base64 of media and of bytes without words. */
export interface ShownBody {
  type: string
  /** Bytes of the whole body. */
  size: number
  /** True if only the beginning was stored. */
  isTruncated: boolean
  text?: string
  base64?: string
  /** Reason for showing neither text nor base64. */
  hidden?: string
}

const TEXT =
  /^(text\/|[\w.+-]+\/([\w.-]+\+)?(json|xml|ndjson|jsonl|x-ndjson|javascript|graphql|yaml)\b|application\/x-www-form-urlencoded)/i
/** Types whose bytes contain no names and therefore no secrets that redaction could find. */
const MEDIA = /^(image|audio|video|font)\//i
/**
 * Bytes to which a body may be decompressed: `MIN_DECOMPRESSED` plus `MAX_RATIO` times its stored bytes. Otherwise 14 bytes from
 * a client could be shown as 4 MiB.
 */
const MIN_DECOMPRESSED = 65_536
const MAX_DECOMPRESSED = 4_194_304
const MAX_RATIO = 16
/** Bytes of all bodies in one response of the admin API. */
export const MAX_SHOWN = 33_554_432

/** Bytes left of `MAX_SHOWN` for the bodies of one response. */
export interface Budget {
  left: number
}

export function showBody(
  body: StoredBody | undefined,
  type: string,
  encoding: string,
  redactor: Redactor,
  budget: Budget
): ShownBody | undefined {
  if (body === undefined) return undefined
  const { content, size, isTruncated } = body
  const shown = { type, size, isTruncated }
  const limit = Math.min(MAX_DECOMPRESSED, MIN_DECOMPRESSED + MAX_RATIO * content.length)
  // Compressed or multipart content could not be redacted.
  const bytes =
    budget.left < content.length ? 'too large' : decompress(content, encoding, Math.min(limit, budget.left))
  if (bytes === 'too large') {
    const own = `it decompresses to more than ${limit} bytes`
    return {
      ...shown,
      hidden: budget.left < limit ? `all bodies together are larger than ${MAX_SHOWN} bytes` : own
    }
  }
  if (bytes === undefined)
    return { ...shown, hidden: `its content coding ${encoding.slice(0, 32)} cannot be decoded` }
  budget.left -= bytes.length
  if (/^multipart\//i.test(type)) return { ...shown, hidden: 'multipart bodies are not shown' }
  if (TEXT.test(type) || markOf(bytes) !== undefined || (isWhole(bytes) && startsAsText(bytes))) {
    const text = decodeText(bytes, type)
    if (text === undefined) return { ...shown, hidden: 'its characters cannot be decoded' }
    return { ...shown, text: redactor.body(text, type) }
  }
  // Protocol buffers and archives contain readable values without their names.
  if (!MEDIA.test(type) && isReadable(bytes)) return { ...shown, hidden: 'binary bodies are not shown' }
  return { ...shown, base64: bytes.toString('base64') }
}

/** Bodies that the gateway compresses are recorded before that. Compressed bytes are hardly ever valid UTF-8. */
function decompress(bytes: Buffer, encoding: string, limit: number): Buffer | 'too large' | undefined {
  const coding = encoding.trim().toLowerCase()
  if (coding === '' || coding === 'identity' || isWhole(bytes)) return bytes
  try {
    return decoderOf(coding)?.(bytes, limit, true)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? 'too large' : undefined
  }
}

/** Returns true for valid UTF-8; its last character may be truncated. */
function isWhole(bytes: Buffer): boolean {
  for (let missing = 0; missing <= 3 && missing <= bytes.length; missing++)
    if (isUtf8(bytes.subarray(0, bytes.length - missing))) return true
  return false
}

/** True if the bytes contain words, with one or two bytes a character. */
function isReadable(bytes: Buffer): boolean {
  let run = 0
  for (const byte of bytes) {
    if (byte === 0) continue
    run = byte >= 32 && byte <= 126 ? run + 1 : 0
    if (run === WORD) return true
  }
  return false
}

const WORD = 4

function startsAsText(bytes: Buffer): boolean {
  return !bytes.subarray(0, 512).some(byte => byte < 9 || (byte > 13 && byte < 32))
}
