import type { Candidate, Policy, Random } from './policy.ts'

/** Chooses the endpoint with the fewest calls in flight relative to its weight; one of several at random. */
export function leastRequests(random: Random): Policy {
  return <Member extends Candidate>(candidates: readonly Member[]) => {
    let best = candidates[0] as Member
    let least = Number.POSITIVE_INFINITY
    let equals = 0
    for (const candidate of candidates) {
      const load = candidate.inFlight / candidate.weight
      if (load < least) {
        best = candidate
        least = load
        equals = 1
      } else if (load === least && random() * ++equals < 1) {
        best = candidate
      }
    }
    return best
  }
}
