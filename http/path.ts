import { createProblem } from './problem.ts'

/**
 * Decides whether a path means the same to the gateway and to every server behind it, for forwarded, WebSocket and gRPC
 * routes, the `path` template and each call of an upstream.
 *
 * Servers disagree on how often to decode a path, whether `\` is a slash, where a segment ends and which characters to
 * drop. nginx, for one, decodes `..%2f` and resolves it before it forwards the path.
 */

export const UnsafePath = createProblem('SLUICE_UNSAFE_PATH', 'The path is ambiguous', 400)

/** Levels of percent-encoding. A path with more is rejected. */
const MAX_DECODINGS = 8
/** `%2e`, and the same encoded again as `%252e`, at any depth. */
const ESCAPE = /%(?:25)*([\da-f]{2})/gi
/** IIS: `%u002e`. */
const UNICODE_ESCAPE = /%(?:25)*u([\da-f]{4})/gi
/** ASCII in more bytes than UTF-8 allows (RFC 3629, 3), which lenient decoders accept: `c0 ae` for a dot. */
const OVERLONG =
  /[\xc0\xc1][\s\S]|\xe0[\x80\x81][\s\S]|\xf0\x80[\x80\x81][\s\S]|\xf8\x80\x80[\x80\x81][\s\S]|\xfc\x80\x80\x80[\x80\x81][\s\S]/g
/** Characters that code pages map to slashes, and that Unicode normalization keeps. */
const SLASH_LIKE = /[\u2044\u2215\u29f8]/g
const BACKSLASH_LIKE = /[\u2216\u29f5]/g

const CONTROL = /[\0-\x1f\x7f]/g
/**
 * A segment ends at a slash or backslash, or where a decoded `?` or `#` ends the path. Parameters (`..;a`), spaces and
 * control characters at its end do not change its meaning.
 */
const DOT_SEGMENT = /(?:^|[/\\?#])[\0-\x20]*\.{1,2}(?:[\0-\x20;\x7f][^/\\?#]*)?(?:[/\\?#]|$)/

const WIDE = /[\u0100-\uffff]/
const CAN_HIDE_DOTS = /[.%\x80-\uffff]/

/** True if some server reads a segment of `path` as `.` or `..` (RFC 3986, 5.2.4). `path`: without its query. */
export function hasDotSegment(path: string): boolean {
  if (!CAN_HIDE_DOTS.test(path)) return false
  // Paths made by code are text, not bytes.
  const plain = decodeFully(WIDE.test(path) ? utf8(path) : path)
  if (plain === undefined) return true
  return isDotted(plain) || (hasHighBytes(plain) && isDotted(normalize(plain)))
}

/**
 * True if `target`, a path with or without a query, can be sent unchanged: it has no dot segment and no character that
 * some servers read as a slash or as the end of the path.
 */
export function isSafeTarget(target: string): boolean {
  const query = target.indexOf('?')
  return !(/#|^[^?]*\\/.test(target) || hasDotSegment(query === -1 ? target : target.slice(0, query)))
}

/** WHATWG URL parsers drop tabs and line breaks, also from within dots. */
function isDotted(plain: string): boolean {
  return DOT_SEGMENT.test(plain) || DOT_SEGMENT.test(plain.replace(CONTROL, ''))
}

/**
 * Returns the paths that servers may read from `target`, if they can differ: decoded, with merged slashes, without
 * parameters, truncated at NUL, `?` or `#`.
 */
export function readingsOf(target: string): string[] {
  const query = target.indexOf('?')
  const path = query === -1 ? target : target.slice(0, query)
  if (!AMBIGUOUS.test(path)) return []
  const plain = decodeFully(path)
  if (plain === undefined) return []
  const readings = [plain, untilEnd(plain), untilEnd(plain.replace(CONTROL, ''))]
  return [...new Set(readings.flatMap(one => [one, one.replace(/;[^/\\]*/g, '')]).map(mergeSlashes))].map(
    toText
  )
}

function untilEnd(plain: string): string {
  return plain.split(/[\0?#]/, 1)[0] as string
}

/** Returns the path for the router, with the remaining `%`, `?` and `#` escaped so that they are not read again. */
function toText(plain: string): string {
  return Buffer.from(plain.replace(/[%?#]/g, encodeURIComponent), 'latin1').toString('utf8')
}

const AMBIGUOUS = /%|\/\/|;/

/** Returns the bytes as latin1. Undefined for a path with more levels of encoding than any server decodes. */
function decodeFully(path: string): string | undefined {
  let plain = path
  for (let i = 0; i < MAX_DECODINGS; i++) {
    const decoded = plain
      .replace(UNICODE_ESCAPE, (_, hex) => utf8(String.fromCharCode(Number.parseInt(hex, 16))))
      .replace(ESCAPE, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
      .replace(OVERLONG, toAscii)
    if (decoded === plain) return plain
    plain = decoded
  }
  return undefined
}

function toAscii(bytes: string): string {
  const lead = bytes.charCodeAt(bytes.length - 2)
  return String.fromCharCode(((lead & 1) << 6) | (bytes.charCodeAt(bytes.length - 1) & 0x3f))
}

function utf8(text: string): string {
  return Buffer.from(text).toString('latin1')
}

function hasHighBytes(plain: string): boolean {
  return /[\x80-\xff]/.test(plain)
}

/** Maps full-width dots, dot leaders and characters that look like slashes to ASCII. */
function normalize(plain: string): string {
  return Buffer.from(plain, 'latin1')
    .toString('utf8')
    .replace(SLASH_LIKE, '/')
    .replace(BACKSLASH_LIKE, '\\')
    .normalize('NFKC')
}

function mergeSlashes(path: string): string {
  return path.replace(/[/\\]+/g, '/')
}
