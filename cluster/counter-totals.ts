import type { Cluster } from './cluster-types.ts'

/**
 * What each worker has counted by the last that was heard of it, so that sums go on when one ends or does not answer.
 * Of those that ended, the last few are kept apart (something of one may still be under way), the others as one.
 */
export interface Tally<Counts> {
  /** `isLast`: there is no more to come; what was asked for before, and arrives later, does not count. */
  heard(worker: number, counts: Counts, isLast?: boolean): void
  /** Of all of them, in parts that do not overlap. */
  parts(): Counts[]
}

const MAX_APART = 16

/** `add`: to a total, or to nothing yet; must bound what it returns. */
export function createTally<Counts>(
  cluster: Pick<Cluster, 'workers'>,
  add: (total: Counts | undefined, one: Counts) => Counts
): Tally<Counts> {
  const latest = new Map<number, { counts: Counts; isLast: boolean }>()
  let total: Counts | undefined

  return {
    heard(worker, counts, isLast = false) {
      if (latest.get(worker)?.isLast) return
      latest.set(worker, { counts, isLast })
      const running = new Set(cluster.workers().map(({ id }) => id))
      const ended = [...latest].filter(([id]) => !running.has(id))
      for (const [id, { counts }] of ended.slice(0, Math.max(0, ended.length - MAX_APART))) {
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
