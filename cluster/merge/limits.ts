import type { LeaseCounts } from '../../limits/lease.ts'
import type { LimitStatus } from '../../limits/limit-status.ts'
import { byShare, type NearLimit, TOP } from '../../limits/near-limits.ts'
import { rounded } from '../rates.ts'

export type MergedLimits = Omit<LimitStatus, 'leases'> & {
  leases?: LeaseEfficiency
  /** Workers by the state that they report. Only present if they differ. */
  workers?: Record<string, number[]>
}

/** Since the start of the workers that run. */
interface LeaseEfficiency extends LeaseCounts {
  /** Requests of all tiers. */
  requests: number
  /** Share of requests that were decided from a lease; null without requests. */
  share: number | null
  storeCallsPerRequest: number | null
}

/** Returns the worst reported state, with its reason, and the sum of all decisions. */
export function mergeLimits(seen: { worker: number; state: LimitStatus }[]): MergedLimits {
  const states = seen.map(({ state }) => state)
  const worst = states.find(({ state }) => state === 'unavailable') ?? (states[0] as LimitStatus)
  const workers = Object.groupBy(seen, ({ state }) => state.state)
  const tiers = new Map<string, LimitStatus['tiers'][number]>()
  for (const { name, decisions } of states.flatMap(({ tiers }) => tiers)) {
    const total = tiers.get(name) ?? { name, decisions: {} as typeof decisions }
    for (const [decision, count] of Object.entries(decisions) as [keyof typeof decisions, number][])
      total.decisions[decision] = (total.decisions[decision] ?? 0) + count
    tiers.set(name, total)
  }
  const ids = Object.entries(workers).map(([state, of]) => [state, of.map(({ worker }) => worker)])
  const { leases: _leases, near: _near, ...shown } = worst
  const leases = states.flatMap(({ leases }) => leases ?? [])
  const near = states.flatMap(({ near }) => near ?? [])
  return {
    ...shown,
    ...(leases.length > 0 && { leases: efficiencyOf(leases, [...tiers.values()]) }),
    ...(states.some(({ near }) => near !== undefined) && { near: latestOf(near) }),
    tiers: [...tiers.values()],
    ...(ids.length > 1 && { workers: Object.fromEntries(ids) })
  }
}

function efficiencyOf(all: LeaseCounts[], tiers: LimitStatus['tiers']): LeaseEfficiency {
  const fromLease = all.reduce((sum, counts) => sum + counts.fromLease, 0)
  const storeCalls = all.reduce((sum, counts) => sum + counts.storeCalls, 0)
  const decisions = tiers.flatMap(({ decisions }) => Object.values(decisions))
  const requests = decisions.reduce((sum, count) => sum + count, 0)
  return {
    requests,
    fromLease,
    storeCalls,
    share: rounded(fromLease / requests),
    storeCallsPerRequest: rounded(storeCalls / requests)
  }
}

/** Returns the highest count of each key: workers share their counts, and each knows that of its last request. */
function latestOf(near: NearLimit[]): NearLimit[] {
  const byKey = new Map<string, NearLimit>()
  for (const one of near.toSorted(byShare)) {
    const key = JSON.stringify([one.tier, one.by, one.key])
    if (!byKey.has(key)) byKey.set(key, one)
  }
  return [...byKey.values()].slice(0, TOP)
}
