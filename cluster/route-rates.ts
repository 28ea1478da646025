import { setTimeout as sleep } from 'node:timers/promises'
import { noCounts, REJECTIONS, type RouteCounts } from '../observe/exchange-counts.ts'
import type { Cluster } from './cluster-types.ts'
import { exchangesOf, type Rates, ratesOf } from './rates.ts'
import { askAll, type Missing, read, successes } from './worker-requests.ts'

/** Rates of one route and method, over the last seconds. */
export type RouteRate = Pick<RouteCounts, 'route' | 'method' | 'scope' | 'version'> & Omit<Rates, 'p95'>

interface Snapshot {
  at: number
  workers: Map<number, Map<string, RouteCounts>>
}

/** Milliseconds: the longest interval that rates are computed of, and the shortest. */
const LONGEST = 10_000
const SHORTEST = 1_000
/** Milliseconds without a reader after which snapshots are dropped. */
const IDLE = 30_000

/**
 * Returns a function that returns the rates of all routes that have been called. It reads the counters of the workers when it
 * is called, and computes the difference to an earlier call; the first call waits for a second.
 */
export function createRouteRates(cluster: Cluster): (missing: Missing) => Promise<RouteRate[]> {
  let snapshots: Snapshot[] = []
  let running: Promise<RouteRate[]> | undefined
  let expiry: NodeJS.Timeout | undefined

  return missing => {
    running ??= rates(missing).finally(() => {
      running = undefined
    })
    return running
  }

  async function rates(missing: Missing): Promise<RouteRate[]> {
    clearTimeout(expiry)
    expiry = setTimeout(() => {
      snapshots = []
    }, IDLE).unref()
    let newest = await take(missing)
    if (snapshots.length === 0) {
      snapshots.push(newest)
      await sleep(SHORTEST)
      newest = await take(missing)
    }
    const oldest = snapshots.find(({ at }) => newest.at - at <= LONGEST) ?? (snapshots.at(-1) as Snapshot)
    if (newest.at - (snapshots.at(-1) as Snapshot).at >= SHORTEST) snapshots.push(newest)
    snapshots = snapshots.filter(({ at }) => newest.at - at <= LONGEST)
    return difference(oldest, newest)
  }

  async function take(missing: Missing): Promise<Snapshot> {
    const at = performance.now()
    const responses = successes(await askAll(cluster, missing, '/route-counters'))
    const workers = responses.map(response => {
      const routes = read<RouteCounts[]>(response).map((route): [string, RouteCounts] => [
        keyOf(route),
        route
      ])
      return [response.worker.id, new Map(routes)] as const
    })
    return { at, workers: new Map(workers) }
  }
}

function difference(oldest: Snapshot, newest: Snapshot): RouteRate[] {
  const seconds = Math.max(1, newest.at - oldest.at) / 1_000
  const latestId = Math.max(0, ...oldest.workers.keys())
  const routes = new Map<string, RouteCounts>()
  for (const [id, counters] of newest.workers) {
    const before = oldest.workers.get(id)
    // It was not read then, and its counters may be hours old.
    const isUnknown = before === undefined && id <= latestId
    for (const [key, route] of counters) {
      const sum = routes.get(key) ?? { ...route, counts: noCounts() }
      routes.set(key, sum)
      if (isUnknown) continue
      const of = before?.get(key)?.counts
      for (let i = 0; i <= REJECTIONS; i++)
        sum.counts[i] = (sum.counts[i] as number) + (route.counts[i] as number) - (of?.[i] ?? 0)
    }
  }
  return [...routes.values()].map(({ counts, route, method, scope, version }) => {
    const { p95, ...rates } = ratesOf(counts, exchangesOf(counts) / seconds)
    return { route, method, scope, version, ...rates }
  })
}

function keyOf({ route, method, scope, version }: RouteCounts): string {
  return JSON.stringify([route, method, scope, version])
}
