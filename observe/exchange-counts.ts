import type { FastifyInstance } from 'fastify'
import { appState } from '../app-state.ts'
import { overloadMonitor } from '../http/overload-monitor.ts'
import type { ExchangeDurations } from './exchange-durations.ts'
import type { FailureCount, FailureCounts } from './failure-counts.ts'
import { BUCKET_COUNT } from './histogram.ts'

/**
 * Exchanges since the start: those of each bucket of durations, then those with a 5xx and those with a 4xx. A plain array,
 * since it is sent as JSON.
 */
export type ExchangeCounts = number[]

/** Index of the errors. */
export const ERRORS = BUCKET_COUNT
/** Index of the rejections: 4xx. */
export const REJECTIONS = BUCKET_COUNT + 1

/** Counters of a process that the supervisor samples. All only grow. */
export interface CounterSample {
  /** By scope; '' for exchanges outside of all scopes. Empty without the metrics plugin. */
  scopes: Record<string, ExchangeCounts>
  failures: FailureCount[]
  /** Requests that were rejected because of overload. */
  shed: number
  droppedLogEntries: number
}

/** Counts of one route, for one method. */
export interface RouteCounts {
  route: string
  method: string
  scope: string
  version: string
  counts: ExchangeCounts
}

/** Routes that are counted; beyond, they are left out. */
const MAX_ROUTES = 2_000

/** Sets the counts that are sampled. Those of a further metrics plugin, in a scope of its own, are not. */
export function sampleCounts(
  app: FastifyInstance,
  durations: ExchangeDurations,
  failures: FailureCounts
): void {
  const sampled = sampledOf(app)
  sampled.durations ??= durations
  sampled.failures ??= failures
}

export function counterSample(app: FastifyInstance): CounterSample {
  // A scope may have any name.
  const scopes: CounterSample['scopes'] = Object.create(null)
  sampledOf(app).durations?.visit(({ scope = '' }, _method, status, series) => {
    scopes[scope] ??= noCounts()
    addExchanges(scopes[scope], status, series)
  })
  const shed = Object.values(overloadMonitor(app)?.shed ?? {}).reduce((sum, count) => sum + count, 0)
  const failures = sampledOf(app).failures?.list() ?? []
  return { scopes, failures, shed, droppedLogEntries: app.droppedLogEntries?.() ?? 0 }
}

/** Returns the counts of all routes that have been called. */
export function routeCounts(app: FastifyInstance): RouteCounts[] {
  const routes = new Map<string, RouteCounts>()
  sampledOf(app).durations?.visit((config, method, status, series) => {
    const { url: route, scope = '', version = '' } = config as typeof config & { url?: string }
    if (route === undefined) return
    const key = JSON.stringify([route, method, scope, version])
    let known = routes.get(key)
    if (known === undefined) {
      if (routes.size === MAX_ROUTES) return
      known = { route, method, scope, version, counts: noCounts() }
      routes.set(key, known)
    }
    addExchanges(known.counts, status, series)
  })
  return [...routes.values()]
}

function sampledOf(app: FastifyInstance): { durations?: ExchangeDurations; failures?: FailureCounts } {
  return appState(app, 'sampled-durations', () => ({}))
}

export function noCounts(): ExchangeCounts {
  return new Array(REJECTIONS + 1).fill(0)
}

/** @param status index of the status class */
function addExchanges(counts: ExchangeCounts, status: number, series: ArrayLike<number>): void {
  for (let i = 0; i < ERRORS; i++) {
    const count = series[i] as number
    counts[i] = (counts[i] as number) + count
    if (status === 5) counts[ERRORS] = (counts[ERRORS] as number) + count
    else if (status === 4) counts[REJECTIONS] = (counts[REJECTIONS] as number) + count
  }
}
