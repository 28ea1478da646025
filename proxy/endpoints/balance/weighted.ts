import type { Candidate, Policy } from './policy.ts'

/**
 * Smooth weighted round robin, as nginx has it: each gains its weight, the one with most pays all that was gained. 5:1:1
 * is A A B A C A A and not A A A A A B C.
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
