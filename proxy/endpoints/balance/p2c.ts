import type { Candidate, Policy, Random } from './policy.ts'

/**
 * The power of two choices: of two taken at random, by weight, the one with fewer calls under way for its weight. As good
 * as looking at all of them, and gateways that know nothing of each other do not all run to the same one.
 */
export function p2c(random: Random): Policy {
  let known: readonly Candidate[] | undefined
  let total = 0
  let areEqual = true

  return <Member extends Candidate>(candidates: readonly Member[]) => {
    if (candidates !== known) learn(candidates)
    const one = draw(candidates)
    const other = draw(candidates, one)
    return other.inFlight / other.weight < one.inFlight / one.weight ? other : one
  }

  function learn(candidates: readonly Candidate[]): void {
    known = candidates
    total = candidates.reduce((sum, { weight }) => sum + weight, 0)
    areEqual = candidates.every(({ weight }) => weight === candidates[0]?.weight)
  }

  function draw<Member extends Candidate>(candidates: readonly Member[], but?: Member): Member {
    const last = candidates.length - 1
    if (areEqual && but === undefined) return candidates[Math.floor(random() * (last + 1))] as Member
    if (areEqual) {
      const drawn = candidates[Math.floor(random() * last)] as Member
      return drawn === but ? (candidates[last] as Member) : drawn
    }
    let left = random() * (total - (but?.weight ?? 0))
    for (const candidate of candidates) {
      if (candidate === but) continue
      left -= candidate.weight
      if (left < 0) return candidate
    }
    const end = candidates[last] as Member
    return end === but && last > 0 ? (candidates[last - 1] as Member) : end
  }
}
