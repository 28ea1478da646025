import type { FastifyBaseLogger } from 'fastify'
import pino from 'pino'
import { type AdminGuardState, createGuardState } from '../admin/admin-guard.ts'
import type { Metrics } from '../observe/metrics-text.ts'
import type { FinalCounters } from '../plugins/final-counters.ts'
import { type ClusterActions, createClusterActions } from './cluster-actions.ts'
import { type ClusterCaptures, createClusterCaptures } from './cluster-captures.ts'
import type { Cluster } from './cluster-types.ts'
import { type CounterTotals, createCounterTotals } from './counter-totals.ts'
import { createHistory, type History } from './history.ts'
import { addCounters, countersOf } from './merge/metrics.ts'
import { addVersions, countsOf, type VersionCounts } from './merge/versions.ts'
import { ProblemTimes } from './problems/problem-times.ts'

/** State that outlives workers and the admin app: counters, those of ended workers included, captures and logins. */
export interface RetainedState {
  /** Handles messages of a worker about its state, to which `reply` sends. Returns false for other messages. */
  take(worker: number, message: unknown, reply?: (message: object) => void): boolean
  /** Counters only, no gauges. */
  metrics: CounterTotals<Metrics>
  versions: CounterTotals<VersionCounts>
  captures: ClusterCaptures
  /** Logins to the admin API. */
  guard: AdminGuardState
  history: History
  actions: ClusterActions
  problemTimes: ProblemTimes
}

/** @param broadcast sends a message to all workers */
export function createRetainedState(
  cluster: Pick<Cluster, 'workers'>,
  broadcast: (message: object) => void = () => {},
  log: () => FastifyBaseLogger = () => pino({ level: 'silent' })
): RetainedState {
  const actions = createClusterActions(cluster, broadcast, log)
  const metrics = createCounterTotals<Metrics>(cluster, addCounters)
  const versions = createCounterTotals<VersionCounts>(cluster, addVersions)
  const history = createHistory(cluster)

  return {
    take(worker, message, reply = () => {}) {
      if (actions.handle(worker, message, reply)) return true
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
    history,
    actions,
    problemTimes: new ProblemTimes()
  }
}
