import type { Cluster, ClusterWorker } from './cluster-types.ts'

/** Milliseconds. */
const INTERVAL = 100

/** Shows `visit` each worker, now and then again and again, so that it finds those that have come. Returns what ends it. */
export function watchWorkers(
  cluster: Pick<Cluster, 'workers'>,
  visit: (worker: ClusterWorker) => void
): () => void {
  const look = () => cluster.workers().forEach(visit)
  look()
  const timer = setInterval(look, INTERVAL).unref()
  return () => clearInterval(timer)
}
