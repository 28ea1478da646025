import type { Json } from '../parsed-document.ts'
import type { TypeName } from './types-of.ts'

/** A number's end of range. */
export interface Bound {
  value: number
  isExclusive: boolean
}

interface Ranged {
  types: Set<TypeName> | undefined
  lower: Bound | undefined
  upper: Bound | undefined
}

/** Narrows the range of `shape` by the keywords of `schema`. */
export function mergeBounds(shape: Ranged, schema: Json): void {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema
  const isInteger = shape.types !== undefined && !shape.types.has('fraction')
  const raise = (value: unknown, isExclusive: boolean) => {
    if (typeof value !== 'number') return
    const bound =
      isInteger && isExclusive ? { value: Math.floor(value) + 1, isExclusive: false } : { value, isExclusive }
    if (shape.lower === undefined || compareLower(bound, shape.lower) > 0) shape.lower = bound
  }
  const lower = (value: unknown, isExclusive: boolean) => {
    if (typeof value !== 'number') return
    const bound =
      isInteger && isExclusive ? { value: Math.ceil(value) - 1, isExclusive: false } : { value, isExclusive }
    if (shape.upper === undefined || compareUpper(bound, shape.upper) < 0) shape.upper = bound
  }
  // A boolean in OpenAPI 3.0, a number in 3.1.
  raise(minimum, exclusiveMinimum === true)
  raise(exclusiveMinimum, true)
  lower(maximum, exclusiveMaximum === true)
  lower(exclusiveMaximum, true)
}

/** Positive if `a` is stricter. */
export function compareLower(a: Bound, b: Bound): number {
  return a.value - b.value || Number(a.isExclusive) - Number(b.isExclusive)
}

/** Negative if `a` is stricter. */
export function compareUpper(a: Bound, b: Bound): number {
  return a.value - b.value || Number(b.isExclusive) - Number(a.isExclusive)
}
