import type { VersionStatus } from '../../versions/registry.ts'
import { type ConsumerUsage, MAX_CONSUMERS } from '../../versions/usage.ts'

/** Counters of versions by scope and version. */
export type VersionCounts = Map<string, VersionCount>

type VersionCount = Pick<VersionStatus, 'calls' | 'lastCall' | 'dropped' | 'consumers'>

/** Versions kept for workers that have ended. */
const MAX_VERSIONS = 1_000

export function countsOf(statuses: VersionStatus[]): VersionCounts {
  return new Map(
    statuses.map(({ scope, version, calls, lastCall, dropped, consumers }) => [
      `${scope} ${version}`,
      { calls, lastCall, dropped, consumers }
    ])
  )
}

export function addVersions(total: VersionCounts = new Map(), one: VersionCounts): VersionCounts {
  const sums = new Map(total)
  for (const [name, count] of one) {
    const known = sums.get(name)
    if (known === undefined && sums.size >= MAX_VERSIONS) continue
    sums.set(name, sumOf(known ? [known, count] : [count]))
  }
  return sums
}

/** Returns the versions of `statuses` (from the newest worker) with the counters of all workers. */
export function mergeVersions(
  statuses: VersionStatus[],
  parts: VersionCounts[],
  top: number
): VersionStatus[] {
  return statuses.map(status => {
    const sum = sumOf(parts.flatMap(part => part.get(`${status.scope} ${status.version}`) ?? []))
    return { ...status, ...sum, known: sum.consumers.length, consumers: sum.consumers.slice(0, top) }
  })
}

/** Adds up calls by consumer. Beyond the limit, consumers with the fewest calls are dropped. */
function sumOf(counts: VersionCount[]): VersionCount {
  const consumers = new Map<string, ConsumerUsage>()
  for (const { consumer, calls, lastCall } of counts.flatMap(count => count.consumers)) {
    const known = consumers.get(consumer)
    consumers.set(consumer, {
      consumer,
      calls: calls + (known?.calls ?? 0),
      lastCall: known && known.lastCall > lastCall ? known.lastCall : lastCall
    })
  }
  const sorted = [...consumers.values()].sort((a, b) => b.calls - a.calls)
  // ISO dates sort as strings.
  const lastCalls = counts.flatMap(({ lastCall }) => lastCall ?? []).sort()
  return {
    calls: counts.reduce((sum, { calls }) => sum + calls, 0),
    lastCall: lastCalls.at(-1) ?? null,
    dropped:
      counts.reduce((sum, { dropped }) => sum + dropped, 0) + Math.max(0, sorted.length - MAX_CONSUMERS),
    consumers: sorted.slice(0, MAX_CONSUMERS)
  }
}
