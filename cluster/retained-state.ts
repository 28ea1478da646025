import { type AdminGuardState, createGuardState } from '../admin/admin-guard.ts'
import type { Metrics } from '../observe/metrics-text.ts'
import type { FinalCounters } from '../plugins/final-counters.ts'
import { type ClusterCaptures, createClusterCaptures } from './cluster-captures.ts'
import type { Cluster } from './cluster-types.ts'
import { type CounterTotals, createCounterTotals } from './counter-totals.ts'
import { createHistory, type History } from './history.ts'
import { addCounters, countersOf } from './merge/metrics.ts'
import { addVersions, countsOf, type VersionCounts } from './merge/versions.ts'

/** State that outlives workers and the admin app: counters, those of ended workers included, captures and logins. */
export interface RetainedState {
  /** Stores the final counters of a worker. Returns false for other messages. */
  take(worker: number, message: unknown): boolean
  /** Counters only, no gauges. */
  metrics: CounterTotals<Metrics>
  versions: CounterTotals<VersionCounts>
  captures: ClusterCaptures
  /** Logins to the admin API. */
  guard: AdminGuardState
  history: History
}

export function createRetainedState(cluster: Pick<Cluster, 'workers'>): RetainedState {
  const metrics = createCounterTotals<Metrics>(cluster, addCounters)
  const versions = createCounterTotals<VersionCounts>(cluster, addVersions)
  const history = createHistory(cluster)

  return {
    take(worker, message) {
      const last = (message ?? {}) as FinalCounters
      if (last.type !== 'counts') return false
      if (last.metrics !== undefined) metrics.update(worker, countersOf(last.metrics), true)
      versions.update(worker, countsOf(last.versions), true)
      history.end(worker, last.sample)
      return true
    },
    metrics,
    versions,
    captures: createClusterCaptures(cluster),
    guard: createGuardState(),
    history
  }
}
