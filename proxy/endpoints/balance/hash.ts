import type { Candidate, Policy } from './policy.ts'

/**
 * Weighted rendezvous hashing: the endpoint with the highest score for the key wins. A removed endpoint only moves its own
 * keys; a new one takes an equal share from all others. (Thaler and Ravishankar 1998; weights as in
 * draft-ietf-bess-weighted-hrw.)
 */
export function hash(): Policy {
  return <Member extends Candidate>(candidates: readonly Member[], key: number) => {
    let best = candidates[0] as Member
    let most = -1
    for (const candidate of candidates) {
      const score = -candidate.weight / Math.log(draw(key, candidate.hash))
      if (score > most) {
        best = candidate
        most = score
      }
    }
    return best
  }
}

/** FNV-1a, 32 bits, over the characters, then mixed so that a change of one character changes half of the bits. */
export function hashOf(text: string): number {
  let sum = 0x811c9dc5
  for (let i = 0; i < text.length; i++) sum = Math.imul(sum ^ text.charCodeAt(i), 0x01000193)
  return mix(sum)
}

/** Returns a pseudo-random number between 0 and 1, exclusive. */
function draw(key: number, endpoint: number): number {
  return (mix(key ^ Math.imul(endpoint, 0x9e3779b1)) + 0.5) / 4_294_967_296
}

/** Finalizer of MurmurHash3. */
function mix(value: number): number {
  let mixed = value
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
