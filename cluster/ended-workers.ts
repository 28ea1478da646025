import type { LastCounts } from '../plugins/final-counters.ts'
import { type ClusterCaptures, createClusterCaptures } from './cluster-captures.ts'
import type { Cluster } from './cluster-types.ts'
import { createTally, type Tally } from './counter-totals.ts'
import { addCounters, countersOf, type Metrics } from './merge/metrics.ts'
import { addVersions, countsOf, type VersionCounts } from './merge/versions.ts'

/**
 * What operators go on seeing whatever becomes of the workers, and of the app that shows it to them: what workers have
 * counted, those that have ended included, and which captures there are.
 */
export interface Kept {
  /** What a worker says when it ends (`LastCounts`). False if it is another message. */
  take(worker: number, message: unknown): boolean
  /** Counters only. */
  metrics: Tally<Metrics>
  versions: Tally<VersionCounts>
  captures: ClusterCaptures
}

export function createKept(cluster: Pick<Cluster, 'workers'>): Kept {
  const metrics = createTally<Metrics>(cluster, addCounters)
  const versions = createTally<VersionCounts>(cluster, addVersions)

  return {
    take(worker, message) {
      const last = (message ?? {}) as LastCounts
      if (last.type !== 'counts') return false
      if (last.metrics !== undefined) metrics.heard(worker, countersOf(last.metrics), true)
      versions.heard(worker, countsOf(last.versions), true)
      return true
    },
    metrics,
    versions,
    captures: createClusterCaptures(cluster)
  }
}
