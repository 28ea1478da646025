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

/** Cheap tests for numbers that a double may change. As one pattern they would take four times as long. */
const LONG_NUMBER = /\d[\d.]{15}/
const LONG_EXPONENT = /\d[eE][+-]?\d{3}/

/** Decimal digits that every double of normal size keeps (C's DBL_DIG), and those that tell any two doubles apart. */
const SAFE_DIGITS = 15
const MAX_DIGITS = 17
/** Below this, doubles have fewer than 15 digits. */
const SMALLEST_NORMAL = 1e-290
/** A number with more decimals, yet no more than 17 digits, was printed from a double: no amount is written so finely. */
const MAX_DECIMALS = 12

/** Levels of arrays and objects, as many as Jackson allows. Serializers and validators recurse, and the stack ends. */
export const MAX_DEPTH = 1_000

/** True for the spelling of a JSON number, such as `1E+16`; false for `007`, `0x10` and ` 1`, which `Number` also takes. */
export function isJsonNumber(text: string): boolean {
  return NUMBER.test(text)
}

/**
 * Returns true if `value`, the double that was read from `source`, stands for the number that was written, however it
 * was spelled. An integer, and an amount of up to 12 decimals, must be the same to the last digit. Of a fraction with
 * more decimals and up to 17 digits, such as `52.520008000000001`, only the last one may differ.
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
  // A reader with exact integers would get another integer, for example 72057594037927940 for 72057594037927936.
  if (size >= 2 ** 53) return false
  if (digits.length - 1 - exponent > MAX_DECIMALS && size > SMALLEST_NORMAL) return true
  return isSame(decimalOf(value.toExponential(digits.length - 1)), written)
}

/**
 * Returns `text`, which must be valid JSON, with each number that a double would change as a string of the same digits.
 * Returns `text` itself if there is no such number.
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

/** Returns true if arrays and objects are nested more than MAX_DEPTH levels. `text` may be anything. */
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
 * Calls `found` with the JSON pointer of each number of `value` that is a string in `quoted`: both were parsed from the
 * same text. Ends when `found` returns false.
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

/** Uses indexes, since a pattern would take time quadratic in the number of zeros. */
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
