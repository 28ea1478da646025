import Big from 'big.js'
import Type from 'typebox'
import { isJsonNumber } from './http/json/exact.ts'

/** A price in a request: digits, with at most two decimals. */
export const Price = Type.String({
  pattern: '^(0|[1-9][0-9]{0,11})(\\.[0-9]{1,2})?$',
  description: 'decimal string'
})

/** An amount in a response: always two decimals. */
export const Amount = Type.String({
  pattern: '^-?[0-9]+\\.[0-9]{2}$',
  description: 'decimal string with two places'
})

/** An amount from a service: a number, or its digits if a double cannot hold it (proxy/response-reader.ts). */
export const InternalAmount = Type.Union([
  Type.Number({ minimum: -1e15, maximum: 1e15 }),
  Type.String({ pattern: '^-?[0-9]{1,30}(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?$' })
])
export type InternalAmount = Type.Static<typeof InternalAmount>

/** Adds exactly. Rounds the sum once, half up, to two decimals. */
export function amount(...terms: InternalAmount[]): string {
  const hundredths = terms.reduce((sum: number, term) => sum + (hundredthsOf(term) ?? Number.NaN), 0)
  if (Number.isSafeInteger(hundredths)) return fromHundredths(hundredths)
  return terms.reduce((sum: Big, term) => sum.plus(term), Big(0)).toFixed(2, Big.roundHalfUp)
}

/** Multiplies an integer `quantity` by `price` exactly. */
export function product(quantity: number, price: InternalAmount): string {
  const hundredths = (hundredthsOf(price) ?? Number.NaN) * quantity
  if (Number.isSafeInteger(hundredths)) return fromHundredths(hundredths)
  return Big(price).times(quantity).toFixed()
}

/** Amounts with up to two decimals, which nearly all are, use integers at a fifth of the cost. */
function hundredthsOf(value: InternalAmount): number | undefined {
  const [, whole, tenth = '0', hundredth = '0'] = SHORT.exec(String(value)) ?? []
  return whole === undefined ? undefined : Number(whole + tenth + hundredth)
}

const SHORT = /^(-?\d{1,13})(?:\.(\d)(\d)?)?$/

function fromHundredths(hundredths: number): string {
  const digits = String(Math.abs(hundredths)).padStart(3, '0')
  return `${hundredths < 0 ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`
}

/**
 * Returns a decimal string as a JSON number with the same digits. It can only be serialized, not computed with.
 * @throws SyntaxError if it is not a JSON number
 */
export function jsonNumber(decimal: string): number {
  if (!isJsonNumber(decimal)) throw new SyntaxError(`${JSON.stringify(decimal)} is not a JSON number`)
  return JSON.rawJSON(decimal) as unknown as number
}

declare global {
  interface JSON {
    /** https://github.com/tc39/proposal-json-parse-with-source */
    rawJSON(text: string): object
  }
}
