import { ENDS } from '../failing-scopes.ts'
import type { FrequentCause } from '../failure-deltas.ts'
import type { History } from '../history.ts'
import { type Problem, pageOf, percent, toIso } from './problem.ts'

/** Share of failed exchanges of a scope from which on it is critical. */
const MOST_ERRORS = 0.5

/**
 * Problems of overload, the log and of scopes that fail.
 * @param broken upstreams whose breaker is open, which is a problem of its own
 */
export function* loadProblems(
  { growth, latest, failingSince }: Pick<History, 'latest' | 'growth' | 'failingSince'>,
  broken: ReadonlySet<string>
): Generator<Problem> {
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
  for (const { scope, errorRatio } of scopes) {
    const since = failingSince(scope)
    if (since === undefined || errorRatio === null) continue
    const errors = causes.filter(cause => cause.scope === scope && cause.errorRatio > 0)
    const explained = errors.filter(({ upstream }) => upstream !== undefined && broken.has(upstream))
    const ratio = explained.reduce((rest, cause) => rest - cause.errorRatio, errorRatio)
    if (ratio < ENDS) continue
    const others = errors.filter(cause => !explained.includes(cause))
    yield {
      kind: 'errors',
      severity: ratio >= MOST_ERRORS ? 'critical' : 'warning',
      subject: scope,
      message: `${percent(ratio)} of the exchanges of scope "${scope}" fail with a 5xx${mostFrequent(others, ratio)}; the failed exchanges have more.`,
      since: toIso(since),
      page: pageOf('exchanges', { scope, failed: 'true' })
    }
  }
}

/** Returns the cause of most errors, with its share and place, in words. */
function mostFrequent(causes: FrequentCause[], total: number): string {
  const [most] = causes.toSorted((a, b) => b.errorRatio - a.errorRatio)
  if (most === undefined) return ''
  const { cause, upstream, endpoint, errorRatio } = most
  const place = [
    ...(endpoint === undefined ? [] : [` at ${endpoint}`]),
    ...(upstream === undefined ? [] : [` of upstream "${upstream}"`])
  ]
  return `, ${percent(Math.min(1, errorRatio / total))} of them with ${cause}${place.join('')}`
}
