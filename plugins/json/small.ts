/**
 * Limit up to which all faults of a value are reported. Of a larger value only the first one is: validators that collect
 * every fault take a second and 400 MiB for one hostile body of 1 MiB.
 */
const MAX_VALUES = 1_000

/** Returns true if `value` has at most 1,000 values in it. Looks at hardly more than that. */
export function isSmall(value: unknown): boolean {
  const waiting: unknown[] = [value]
  let seen = 0
  while (waiting.length > 0) {
    const next = waiting.pop()
    if (++seen > MAX_VALUES) return false
    if (typeof next !== 'object' || next === null) continue
    // Before its keys are listed: there is a text for each.
    if (Array.isArray(next) && next.length > MAX_VALUES) return false
    for (const name in next) {
      if (waiting.length > MAX_VALUES) return false
      waiting.push(next[name as never])
    }
  }
  return true
}
