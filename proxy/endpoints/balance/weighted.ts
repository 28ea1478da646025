import type { Candidate, Policy } from './policy.ts'

/**
 * Smooth weighted round robin, as in nginx: each endpoint gains its weight, and the one with the most is chosen and pays
 * the total. Weights 5:1:1 yield A A B A C A A, not A A A A A B C.
 */
export function weighted(): Policy {
  const gained = new WeakMap<Candidate, number>()
  return <Member extends Candidate>(candidates: readonly Member[]) => {
    let best = candidates[0] as Member
    let most = Number.NEGATIVE_INFINITY
    let total = 0
    for (const candidate of candidates) {
      const own = (gained.get(candidate) ?? 0) + candidate.weight
      gained.set(candidate, own)
      total += candidate.weight
      if (own > most) {
        best = candidate
        most = own
      }
    }
    gained.set(best, most - total)
    return best
  }
}
