import type { Cluster } from './cluster-types.ts'

/**
 * The latest counters of each worker, so that sums do not drop when a worker ends or does not answer. Those of the last
 * ended workers are stored separately, since a late message may still replace them; older ones are added up.
 */
export interface CounterTotals<Counts> {
  /**
   * Replaces the counters of a worker.
   * @param isLast ignores later updates, such as late responses to earlier requests
   */
  update(worker: number, counts: Counts, isLast?: boolean): void
  /** Returns all counters, in parts that do not overlap. */
  parts(): Counts[]
}

const MAX_SEPARATE = 16

/** @param add adds counters to a total, or starts one; must bound the size of its result */
export function createCounterTotals<Counts>(
  cluster: Pick<Cluster, 'workers'>,
  add: (total: Counts | undefined, one: Counts) => Counts
): CounterTotals<Counts> {
  const latest = new Map<number, { counts: Counts; isLast: boolean }>()
  let total: Counts | undefined

  return {
    update(worker, counts, isLast = false) {
      if (latest.get(worker)?.isLast) return
      latest.set(worker, { counts, isLast })
      const running = new Set(cluster.workers().map(({ id }) => id))
      const ended = [...latest].filter(([id]) => !running.has(id))
      for (const [id, { counts }] of ended.slice(0, Math.max(0, ended.length - MAX_SEPARATE))) {
        total = add(total, counts)
        latest.delete(id)
      }
    },
    parts: () => [
      ...(total === undefined ? [] : [total]),
      ...[...latest.values()].map(({ counts }) => counts)
    ]
  }
}
