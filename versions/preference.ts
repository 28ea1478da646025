import { type MediaRange, parseAccept } from '../http/accept.ts'

/** Versions in an `Accept` header of which a range names one. */
export interface Preference {
  /** Versions with the highest weight, unless it is 0. */
  best: string[]
  /** True if a range without a version covers one with a version, and weighs more than `best`. */
  isOpen: boolean
  /** True if an unknown version is named and nothing else is acceptable. */
  isUnknown: boolean
  accepts(version: string): boolean
}

/**
 * Weighs the versions in `accept` (RFC 9110, 12.5.1): the highest weight wins, 0 excludes, and a range without a version
 * stands for all that are not named. `application/json;version=3, application/json;version=2;q=0.5` is version 2 if 3 is
 * unknown.
 * @param parameter in lower case
 * @param nameOf returns the name of the version that a parameter's value means
 * @returns undefined if no range names a version
 */
export function weigh(
  accept: string,
  parameter: string,
  nameOf: (value: string) => string | undefined
): Preference | undefined {
  const ranges = parseAccept(accept)
  const weights = new Map<string, number>()
  const types = new Set<string>()
  const open: MediaRange[] = []
  let isUnknown = false
  for (const range of ranges) {
    const values = range.parameters.filter(([name]) => name === parameter)
    if (values.length === 0) open.push(range)
    else types.add(range.type)
    for (const [, value] of values) {
      const version = nameOf(value)
      if (version === undefined) isUnknown ||= range.weight > 0
      else weights.set(version, Math.max(range.weight, weights.get(version) ?? 0))
    }
  }
  if (types.size === 0) return undefined

  // In text/html, application/json;version=1 the first range is of another type.
  const openWeight = open.reduce(
    (most, { type, weight }) => (covers(type, types) ? Math.max(most, weight) : most),
    0
  )
  const top = Math.max(0, ...weights.values())
  return {
    best: top === 0 ? [] : [...weights].flatMap(([version, weight]) => (weight === top ? [version] : [])),
    isOpen: openWeight > top,
    isUnknown: isUnknown && top === 0 && openWeight === 0,
    accepts: version => (weights.get(version) ?? (isUnknown || top > 0 ? openWeight : 1)) > 0
  }
}

function covers(type: string, types: Set<string>): boolean {
  if (type === '*/*' || type === '*' || types.has(type)) return true
  if (!type.endsWith('/*')) return false
  for (const one of types) if (one.startsWith(type.slice(0, -1))) return true
  return false
}
