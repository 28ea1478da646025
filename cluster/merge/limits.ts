import type { LimitStatus } from '../../limits/limit-status.ts'

export type MergedLimits = LimitStatus & {
  /** Workers by the state that they report. Only present if they differ. */
  workers?: Record<string, number[]>
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
  return {
    ...worst,
    tiers: [...tiers.values()],
    ...(ids.length > 1 && { workers: Object.fromEntries(ids) })
  }
}
