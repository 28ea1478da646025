import type { Policy } from './policy.ts'

/** Each in turn, whatever its weight. */
export function roundRobin(): Policy {
  let turn = -1
  return candidates => {
    turn = (turn + 1) % candidates.length
    return candidates[turn] as (typeof candidates)[number]
  }
}
