import { isUtf8 } from 'node:buffer'
import * as zlib from 'node:zlib'
import type { Redactor } from '../redact/redactor.ts'
import type { Kept } from './bodies.ts'
import { decodeText, markOf } from './charset.ts'

/** A body for people: redacted text, or base64 of media and of bytes without words. */
export interface ShownBody {
  type: string
  /** Bytes of the whole body. */
  size: number
  /** It is the beginning only. */
  isCut: boolean
  text?: string
  base64?: string
  /** Why there is neither. */
  hidden?: string
}

const TEXT =
  /^(text\/|[\w.+-]+\/([\w.-]+\+)?(json|xml|ndjson|jsonl|x-ndjson|javascript|graphql|yaml)\b|application\/x-www-form-urlencoded)/i
/** Types whose bytes hold no names, and so no secrets. */
const MEDIA = /^(image|audio|video|font)\//i
/**
 * Bytes to which a body may grow when it is unpacked: `LEAST_UNPACKED` plus `GROWTH` times its kept bytes. Otherwise a
 * client could have 14 bytes shown as 4 MiB.
 */
const LEAST_UNPACKED = 65_536
const MOST_UNPACKED = 4_194_304
const GROWTH = 16
/** Bytes of all bodies in one response. */
export const MAX_SHOWN = 33_554_432

/** Bytes that are left of `MAX_SHOWN` for the bodies of one response. */
export interface Budget {
  left: number
}

type Decoder = (bytes: Buffer, maxOutputLength: number) => Buffer

const gunzip: Decoder = (bytes, maxOutputLength) =>
  zlib.gunzipSync(bytes, { maxOutputLength, finishFlush: zlib.constants.Z_SYNC_FLUSH })

const DECODERS: Record<string, Decoder> = {
  gzip: gunzip,
  'x-gzip': gunzip,
  deflate: (bytes, maxOutputLength) =>
    zlib.inflateSync(bytes, { maxOutputLength, finishFlush: zlib.constants.Z_SYNC_FLUSH }),
  br: (bytes, maxOutputLength) =>
    zlib.brotliDecompressSync(bytes, {
      maxOutputLength,
      finishFlush: zlib.constants.BROTLI_OPERATION_FLUSH
    }),
  zstd: (bytes, maxOutputLength) =>
    zlib.zstdDecompressSync(bytes, { maxOutputLength, finishFlush: zlib.constants.ZSTD_e_flush })
}

export function showBody(
  body: Kept | undefined,
  type: string,
  encoding: string,
  redactor: Redactor,
  budget: Budget
): ShownBody | undefined {
  if (body === undefined) return undefined
  const { content: kept, size, isCut } = body
  const shown = { type, size, isCut }
  const limit = Math.min(MOST_UNPACKED, LEAST_UNPACKED + GROWTH * kept.length)
  // What is packed, or in parts of its own, could not be redacted.
  const bytes = budget.left < kept.length ? 'too large' : unpack(kept, encoding, Math.min(limit, budget.left))
  if (bytes === 'too large') {
    const own = `it unpacks to more than ${limit} bytes`
    return {
      ...shown,
      hidden: budget.left < limit ? `all bodies together are larger than ${MAX_SHOWN} bytes` : own
    }
  }
  if (bytes === undefined)
    return { ...shown, hidden: `its coding, ${encoding.slice(0, 32)}, could not be read` }
  budget.left -= bytes.length
  if (/^multipart\//i.test(type)) return { ...shown, hidden: 'multipart bodies are not shown' }
  if (TEXT.test(type) || markOf(bytes) !== undefined || (isWhole(bytes) && startsAsText(bytes))) {
    const text = decodeText(bytes, type)
    if (text === undefined) return { ...shown, hidden: 'its characters could not be read' }
    return { ...shown, text: redactor.body(text, type) }
  }
  // Protocol buffers and archives hold readable values, but not by which name.
  if (!MEDIA.test(type) && isReadable(bytes)) return { ...shown, hidden: 'binary bodies are not shown' }
  return { ...shown, base64: bytes.toString('base64') }
}

/** What the gateway packs is recorded before that; packed bytes are hardly ever UTF-8. */
function unpack(bytes: Buffer, encoding: string, limit: number): Buffer | 'too large' | undefined {
  const coding = encoding.trim().toLowerCase()
  if (coding === '' || coding === 'identity' || isWhole(bytes)) return bytes
  try {
    return Object.hasOwn(DECODERS, coding) ? DECODERS[coding]?.(bytes, limit) : undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? 'too large' : undefined
  }
}

/** UTF-8, but for a last character that may be cut in two. */
function isWhole(bytes: Buffer): boolean {
  for (let cut = 0; cut <= 3 && cut <= bytes.length; cut++)
    if (isUtf8(bytes.subarray(0, bytes.length - cut))) return true
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
