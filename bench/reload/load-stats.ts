import { quantile } from '../faults/steady-load.ts'

/** The kinds that are requests; others are event streams and WebSockets. */
export const REQUESTS = ['plain', 'composed', 'new', 'upload', 'download']

/** Observations of a load, by kind of request. */
export interface LoadStats {
  done: Record<string, number>
  /** Milliseconds. */
  times: Record<string, number[]>
  /** Counts by kind and failure. */
  failures: Record<string, number>
  /** The first failures with time and details. */
  samples: string[]
  /** Counts of expected events of a drain. */
  events: Record<string, number>
  /** Responses by the version of the config that produced them. */
  configs: Record<string, number>
}

export class LoadRecorder {
  stats = createLoadStats()

  done(kind: string, ms: number, config?: string): void {
    const { done, times, configs } = this.stats
    increment(done, kind)
    times[kind] ??= []
    times[kind].push(ms)
    if (config !== undefined) increment(configs, config)
  }

  failed(kind: string, what: string, details = ''): void {
    const { failures, samples } = this.stats
    const key = `${kind}: ${what}`
    increment(failures, key)
    if (samples.length < 20) samples.push(`${new Date().toISOString()} ${key} ${details}`)
  }

  event(what: string): void {
    increment(this.stats.events, what)
  }

  /** Returns the stats and resets them. */
  take(): LoadStats {
    const { stats } = this
    this.stats = createLoadStats()
    return stats
  }
}

export function mergeLoadStats(all: LoadStats[]): LoadStats {
  const merged = createLoadStats()
  for (const stats of all) {
    for (const name of ['done', 'failures', 'events', 'configs'] as const)
      for (const [key, count] of Object.entries(stats[name]))
        merged[name][key] = (merged[name][key] ?? 0) + count
    for (const [kind, times] of Object.entries(stats.times))
      merged.times[kind] = [...(merged.times[kind] ?? []), ...times]
    merged.samples.push(...stats.samples)
  }
  return merged
}

function increment(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1
}

function createLoadStats(): LoadStats {
  return { done: {}, times: {}, failures: {}, samples: [], events: {}, configs: {} }
}

export function countRequests({ done }: LoadStats): number {
  return REQUESTS.reduce((sum, kind) => sum + (done[kind] ?? 0), 0)
}

export function countFailures({ failures }: LoadStats): number {
  return Object.values(failures).reduce((sum, count) => sum + count, 0)
}

export function printLoad(title: string, { done, times, events, configs }: LoadStats): void {
  console.log(`${title}:`)
  for (const [kind, count] of Object.entries(done)) {
    const [p50, p99, max] = [0.5, 0.99, 1].map(q => quantile(times[kind] ?? [], q).toFixed(1))
    console.log(`  ${kind}: ${count}, median ${p50} ms, p99 ${p99} ms, slowest ${max} ms`)
  }
  for (const [event, count] of Object.entries(events)) console.log(`  ${event}: ${count}`)
  console.log(`  responses by config: ${JSON.stringify(configs)}`)
}
