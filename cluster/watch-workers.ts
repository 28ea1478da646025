import type { Cluster, ClusterWorker } from './cluster-types.ts'

/** ms between two visits. */
const INTERVAL = 100

/** Calls `visit` with each worker, now and every 100 ms, so that it also sees new ones. Returns a function that stops it. */
export function watchWorkers(
  cluster: Pick<Cluster, 'workers'>,
  visit: (worker: ClusterWorker) => void
): () => void {
  const visitAll = () => cluster.workers().forEach(visit)
  visitAll()
  const timer = setInterval(visitAll, INTERVAL).unref()
  return () => clearInterval(timer)
}
