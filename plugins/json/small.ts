/**
 * Limit up to which all faults of a value are reported. Of a larger value only the first one is: validators that collect
 * every fault take a second and 400 MiB for one hostile body of 1 MiB.
 */
const MAX_VALUES = 1_000

/** Returns true if `value` has at most 1,000 values in it. Looks at no more than that. */
export function isSmall(value: unknown): boolean {
  const waiting: unknown[] = [value]
  let seen = 0
  for (let next = waiting.pop(); seen <= MAX_VALUES; next = waiting.pop()) {
    seen++
    if (typeof next === 'object' && next !== null)
      for (const name in next) {
        if (waiting.length + seen > MAX_VALUES) return false
        waiting.push(next[name as never])
      }
    if (waiting.length === 0) return true
  }
  return false
}
