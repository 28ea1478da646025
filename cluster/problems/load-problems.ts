import type { FrequentCause } from '../failure-deltas.ts'
import type { History } from '../history.ts'
import type { MergedLimits } from '../merge/limits.ts'
import { type Problem, pageOf, toIso } from './problem.ts'

/** Share of failed exchanges of a scope from which on it is a problem, and from which on a critical one. */
const MANY_ERRORS = 0.05
const MOST_ERRORS = 0.5
/** Exchanges a second. Below, a single failure would be a large ratio. */
const MIN_RATE = 1

/** Problems of limits, overload, the log and of scopes that fail. */
export function* loadProblems(
  limits: MergedLimits | undefined,
  { growth, latest }: Pick<History, 'latest' | 'growth'>
): Generator<Problem> {
  if (limits?.state === 'unavailable') {
    const place = limits.store === 'redis' ? 'Redis' : 'the supervisor'
    yield {
      kind: 'limits-unavailable',
      severity: 'warning',
      subject: place,
      message: `Limits are not counted in ${place} (${limits.reason ?? 'unknown reason'}), so onRedisDown of each tier applies; check it and the way to it.`,
      since: limits.since,
      page: 'limits'
    }
  }
  const { shed, droppedLogEntries } = growth
  if (shed.since !== undefined)
    yield {
      kind: 'overload',
      severity: 'critical',
      subject: 'gateway',
      message: `${shed.count} requests were rejected because the gateway cannot keep up; add workers or machines, or find what blocks the event loop.`,
      since: toIso(shed.since),
      page: 'overview'
    }
  if (droppedLogEntries.since !== undefined)
    yield {
      kind: 'log-entries-dropped',
      severity: 'warning',
      subject: 'log',
      message: `${droppedLogEntries.count} log entries were dropped, since standard output does not take them; check what reads it.`,
      since: toIso(droppedLogEntries.since),
      page: 'overview'
    }
  const { scopes = [], causes = [] } = latest() ?? {}
  for (const { scope, rate, errorRatio } of scopes)
    if (errorRatio !== null && errorRatio >= MANY_ERRORS && rate >= MIN_RATE)
      yield {
        kind: 'errors',
        severity: errorRatio >= MOST_ERRORS ? 'critical' : 'warning',
        subject: scope,
        message: `${Math.round(errorRatio * 100)} % of the exchanges of scope "${scope}" fail with a 5xx${mostFrequent(scope, causes)}; the failed exchanges have more.`,
        since: null,
        page: pageOf('exchanges', { scope, failed: 'true' })
      }
}

/** Returns the cause of most of a scope's errors, with the endpoint, in words. */
function mostFrequent(scope: string, causes: FrequentCause[]): string {
  const [most] = causes
    .filter(cause => cause.scope === scope && cause.errorRatio > 0)
    .sort((a, b) => b.errorRatio - a.errorRatio)
  if (most === undefined) return ''
  const { cause, upstream, endpoint } = most
  const place = endpoint ?? (upstream === undefined ? undefined : `upstream "${upstream}"`)
  return `, mostly by ${cause}${place === undefined ? '' : ` at ${place}`}`
}
