import type { Candidate, Policy, Random } from './policy.ts'

/**
 * Power of two choices: draws two endpoints at random, by weight, and chooses the one with fewer calls in flight relative
 * to its weight. Nearly as good as comparing all, and independent gateways do not all choose the same endpoint.
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

  function draw<Member extends Candidate>(candidates: readonly Member[], except?: Member): Member {
    const last = candidates.length - 1
    if (areEqual && except === undefined) return candidates[Math.floor(random() * (last + 1))] as Member
    if (areEqual) {
      const drawn = candidates[Math.floor(random() * last)] as Member
      return drawn === except ? (candidates[last] as Member) : drawn
    }
    let left = random() * (total - (except?.weight ?? 0))
    for (const candidate of candidates) {
      if (candidate === except) continue
      left -= candidate.weight
      if (left < 0) return candidate
    }
    const end = candidates[last] as Member
    return end === except && last > 0 ? (candidates[last - 1] as Member) : end
  }
}
