import { escapePointer } from './pointer.ts'

/**
 * Finds numbers of a JSON text that `JSON.parse` would change, and texts that are nested too deeply. Each is one walk
 * over the text, in time linear in its length.
 */

const QUOTE = 34
const PLUS = 43
const MINUS = 45
const DOT = 46
const ZERO = 48
const NINE = 57
const BACKSLASH = 92
const LOWER_E = 101

/** RFC 8259, section 6. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** Quick tests for numbers that a double may change. One pattern for both takes four times as long. */
const LONG_NUMBER = /\d[\d.]{15}/
const LONG_EXPONENT = /\d[eE][+-]?\d{3}/

/** Decimal digits that every normal double keeps (DBL_DIG in C), and that distinguish any two doubles. */
const SAFE_DIGITS = 15
const MAX_DIGITS = 17
/** Below this, doubles have fewer than 15 digits. */
const SMALLEST_NORMAL = 1e-290
/** More decimals in at most 17 digits were printed from a double: no amount of money has so many. */
const MAX_DECIMALS = 12

/** Levels of arrays and objects, as in Jackson. Serializers and validators recurse and would overflow the stack. */
export const MAX_DEPTH = 1_000

/** Returns true for the text of a JSON number, such as `1E+16`, and false for `007`, `0x10` and ` 1`, which `Number` accepts. */
export function isJsonNumber(text: string): boolean {
  return NUMBER.test(text)
}

/**
 * Returns true if `value`, the double that was parsed from `source`, is the number that was written. An integer, and an
 * amount with up to 12 decimals, must be equal in every digit. In a fraction with more decimals and up to 17 digits, such
 * as `52.520008000000001`, the last digit may differ.
 */
export function isExact(value: number, source: string): boolean {
  if (!Number.isFinite(value)) return false
  if (String(value) === source) return true
  const written = decimalOf(source)
  const { digits, exponent } = written
  if (digits === '') return true
  if (digits.length > MAX_DIGITS) return false
  if (isSame(decimalOf(String(value)), written)) return true
  const size = Math.abs(value)
  // Readers with exact integers would get another one: 72057594037927940 for 72057594037927936.
  if (size >= 2 ** 53) return false
  if (digits.length - 1 - exponent > MAX_DECIMALS && size > SMALLEST_NORMAL) return true
  return isSame(decimalOf(value.toExponential(digits.length - 1)), written)
}

/**
 * Returns the JSON `text` with each number that a double would change as a string of the same digits, or `text` itself if
 * it has no such number.
 * @param text valid JSON
 */
export function quoteInexact(text: string): string {
  if (!LONG_NUMBER.test(text) && !LONG_EXPONENT.test(text)) return text
  let result = ''
  let from = 0
  let i = 0
  while (i < text.length) {
    let code = text.charCodeAt(i)
    if (code === QUOTE) {
      i = endOfString(text, i)
      continue
    }
    const start = i++
    if (code !== MINUS && (code < ZERO || code > NINE)) continue
    let exponentAt = 0
    for (; i < text.length; i++) {
      code = text.charCodeAt(i)
      if ((code | 32) === LOWER_E) exponentAt = i
      else if ((code < ZERO || code > NINE) && code !== DOT && code !== MINUS && code !== PLUS) break
    }
    if (i - start <= SAFE_DIGITS && (exponentAt === 0 || i - exponentAt <= 3)) continue
    const source = text.slice(start, i)
    const value = Number(source)
    if (i - start <= SAFE_DIGITS && isNormal(value)) continue
    if (isExact(value, source)) continue
    result += `${text.slice(from, start)}"${source}"`
    from = i
  }
  return from === 0 ? text : result + text.slice(from)
}

/**
 * Returns true if arrays and objects are nested more than MAX_DEPTH levels.
 * @param text need not be valid JSON
 */
export function isTooDeep(text: string): boolean {
  if (text.length <= MAX_DEPTH) return false
  let depth = 0
  let i = 0
  while (i < text.length) {
    const code = text.charCodeAt(i)
    if (code === QUOTE) {
      i = endOfString(text, i)
      continue
    }
    // `[` and `{`, `]` and `}` differ in one bit.
    if ((code | 32) === 123) {
      if (++depth > MAX_DEPTH) return true
    } else if ((code | 32) === 125) depth--
    i++
  }
  return false
}

/**
 * Calls `found` with the JSON pointer of each number in `value` that is a string in `quoted`, until it returns false.
 * Both were parsed from the same text, one after `quoteInexact`.
 */
export function eachInexact(
  value: unknown,
  quoted: unknown,
  found: (pointer: string) => boolean,
  pointer = ''
): boolean {
  if (typeof value === 'number') return typeof quoted === 'number' || found(pointer)
  if (typeof value !== 'object' || value === null) return true
  for (const name of Object.keys(value)) {
    const path = `${pointer}/${escapePointer(name)}`
    if (!eachInexact(value[name as never], (quoted as typeof value)[name as never], found, path)) return false
  }
  return true
}

function isNormal(value: number): boolean {
  const size = Math.abs(value)
  return size > SMALLEST_NORMAL && size < Number.POSITIVE_INFINITY
}

interface Decimal {
  /** Without zeros at either end; empty for zero. */
  digits: string
  /** Power of ten of the first digit. */
  exponent: number
}

/** Uses indexes, because a pattern takes quadratic time for many zeros. */
function decimalOf(source: string): Decimal {
  const start = source.charCodeAt(0) === MINUS ? 1 : 0
  const e = indexOfExponent(source)
  const mantissa = source.slice(start, e === -1 ? undefined : e)
  const point = mantissa.indexOf('.')
  const digits = point === -1 ? mantissa : mantissa.slice(0, point) + mantissa.slice(point + 1)
  let first = 0
  let end = digits.length
  while (digits.charCodeAt(first) === ZERO) first++
  if (first === end) return { digits: '', exponent: 0 }
  while (digits.charCodeAt(end - 1) === ZERO) end--
  const whole = point === -1 ? digits.length : point
  const power = e === -1 ? 0 : Number(source.slice(e + 1))
  return { digits: digits.slice(first, end), exponent: whole - first - 1 + power }
}

function isSame(one: Decimal, other: Decimal): boolean {
  return one.digits === other.digits && one.exponent === other.exponent
}

function indexOfExponent(source: string): number {
  const lower = source.indexOf('e')
  return lower === -1 ? source.indexOf('E') : lower
}

/** Returns the index after the closing quote, or the text's length. */
function endOfString(text: string, start: number): number {
  let i = start + 1
  while (i < text.length) {
    const code = text.charCodeAt(i)
    if (code === QUOTE) return i + 1
    i += code === BACKSLASH ? 2 : 1
  }
  return text.length
}
