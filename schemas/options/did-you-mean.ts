import leven from 'leven'

/** Returns `; did you mean host?`, or an empty string if no name in `known` is similar. */
export function didYouMean(name: unknown, known: readonly string[]): string {
  if (typeof name !== 'string' || name.length > MAX_LENGTH) return ''
  const limit = name.length <= 3 ? 1 : name.length <= 7 ? 2 : 3
  let best: string | undefined
  let least = limit + 1
  for (const one of known) {
    const distance = leven(name.toLowerCase(), one.toLowerCase(), { maxDistance: least })
    if (distance >= least) continue
    best = one
    least = distance
  }
  return best === undefined ? '' : `; did you mean ${best}?`
}

/** Characters of a name. Longer text is something else. */
const MAX_LENGTH = 64
