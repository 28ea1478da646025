import type { Policy } from './policy.ts'

/** Chooses endpoints in turn and ignores weights. */
export function roundRobin(): Policy {
  let turn = -1
  return candidates => {
    turn = (turn + 1) % candidates.length
    return candidates[turn] as (typeof candidates)[number]
  }
}
