import type { BalanceOptions } from '../../../schemas/options/endpoints.ts'
import { hash } from './hash.ts'
import { leastRequests } from './least-requests.ts'
import { p2c } from './p2c.ts'
import type { Policy, Random } from './policy.ts'
import { roundRobin } from './round-robin.ts'
import { weighted } from './weighted.ts'

const POLICIES: Record<BalanceOptions['policy'], (random: Random) => Policy> = {
  p2c,
  'round-robin': roundRobin,
  weighted,
  'least-requests': leastRequests,
  hash
}

/** Creates a policy of that name, with its own state. */
export function createPolicy(name: BalanceOptions['policy'], random: Random): Policy {
  return POLICIES[name](random)
}
