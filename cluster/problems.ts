import type { UpstreamAction } from '../proxy/upstream-action.ts'
import type { ClusterStatus } from './cluster-types.ts'
import type { History } from './history.ts'
import type { MergedLimits } from './merge/limits.ts'
import type { MergedUpstream } from './merge/upstreams.ts'

/** Something that is wrong now, for operators. */
export interface Problem {
  kind: ProblemKind
  /** `critical`: requests fail. `warning`: they will, or the gateway has lost a safeguard. */
  severity: 'critical' | 'warning'
  /** Name of the upstream, endpoint, scope, worker or file. */
  subject: string
  /** The fault, and the way to its fix. */
  message: string
  /** ISO instant; null if unknown. */
  since: string | null
  /** Page of the dashboard that shows more, with its parameters, such as `upstreams?name=orders`. */
  page: string
}

export type ProblemKind =
  | 'not-ready'
  | 'worker-unresponsive'
  | 'worker-crashed'
  | 'reload-failed'
  | 'breaker-open'
  | 'endpoint-unhealthy'
  | 'endpoint-ejected'
  | 'limits-unavailable'
  | 'overload'
  | 'log-entries-dropped'
  | 'errors'
  | 'operator-action'

export interface ProblemSources {
  status: ClusterStatus
  /** Undefined if no worker responds. */
  upstreams: MergedUpstream[] | undefined
  limits: MergedLimits | undefined
  actions: readonly UpstreamAction[]
  history: Pick<History, 'latest' | 'growth'>
  /** Epoch milliseconds. */
  now: number
}

/** Milliseconds for which a crash counts as a problem. */
const RECENT = 600_000
/** Share of failed exchanges of a scope from which on it is a problem, and from which on a critical one. */
const MANY_ERRORS = 0.05
const MOST_ERRORS = 0.5
/** Exchanges a second. Below, a single failure would be a large ratio. */
const MIN_RATE = 1

/** Returns what is wrong now, critical problems first. */
export function problemsOf(sources: ProblemSources): Problem[] {
  const problems = [
    ...ofProcesses(sources),
    ...(sources.upstreams ?? []).flatMap(upstream => [...ofUpstream(upstream)]),
    ...ofLimits(sources),
    ...ofCounters(sources),
    ...sources.actions.map(ofAction)
  ]
  return [
    ...problems.filter(({ severity }) => severity === 'critical'),
    ...problems.filter(({ severity }) => severity === 'warning')
  ]
}

function* ofProcesses({ status, now }: ProblemSources): Generator<Problem> {
  const { state, workers, crashes, lastReload } = status
  if (state !== 'ready')
    yield {
      kind: 'not-ready',
      severity: 'critical',
      subject: 'gateway',
      message:
        state === 'draining'
          ? 'the gateway is stopping and accepts no connections'
          : 'no worker accepts connections; see the log for why they do not start',
      since: null,
      page: 'deploys'
    }
  for (const { id, pid, state } of workers)
    if (state === 'unresponsive')
      yield {
        kind: 'worker-unresponsive',
        severity: 'warning',
        subject: `worker ${id}`,
        message: `the event loop of worker ${id} (pid ${pid}) is blocked; it is replaced if it stays blocked, and its CPU profile tells by what`,
        since: null,
        page: 'deploys'
      }
  const { last, nextStartAt } = crashes
  if (last !== undefined && (nextStartAt !== undefined || now - last.at < RECENT))
    yield {
      kind: 'worker-crashed',
      severity: nextStartAt === undefined ? 'warning' : 'critical',
      subject: `pid ${last.pid}`,
      message: `a worker crashed: ${last.reason}; ${nextStartAt === undefined ? 'it was replaced' : 'its replacement starts soon'}, the log has the error`,
      since: toIso(last.at),
      page: 'deploys'
    }
  if (lastReload?.outcome === 'failed')
    yield {
      kind: 'reload-failed',
      severity: 'warning',
      subject: 'reload',
      message: `the last reload failed, so the old workers stay: ${lastReload.reason}; fix it and reload again`,
      since: toIso(lastReload.at),
      page: 'deploys'
    }
}

function* ofUpstream({ name, breaker, endpoints }: MergedUpstream): Generator<Problem> {
  const { since } = breaker as { since?: number }
  // An operator's order is a problem of its own.
  if (breaker.state !== 'closed' && breaker.action === undefined)
    yield {
      kind: 'breaker-open',
      severity: breaker.state === 'open' ? 'critical' : 'warning',
      subject: name,
      message:
        breaker.state === 'open'
          ? `the breaker of upstream "${name}" is open, so calls are rejected; check the service, see its last errors`
          : `the breaker of upstream "${name}" is half-open and tries a few calls`,
      since: toIso(since),
      page: `upstreams?name=${encodeURIComponent(name)}`
    }
  for (const { url, state } of endpoints)
    if (state !== 'healthy')
      yield {
        kind: `endpoint-${state}`,
        severity: 'warning',
        subject: `${name} ${url}`,
        message:
          state === 'ejected'
            ? `endpoint ${url} of upstream "${name}" is ejected, since its calls failed; it is tried again by itself`
            : `endpoint ${url} of upstream "${name}" fails its health checks and gets no calls; check the host`,
        since: null,
        page: `upstreams?name=${encodeURIComponent(name)}&endpoint=${encodeURIComponent(url)}`
      }
}

function ofAction({ upstream, endpoint, action, until, by, startedAt }: UpstreamAction): Problem {
  const order =
    action === 'open'
      ? 'holds its breaker open, so calls are rejected'
      : `keeps calls from endpoint ${endpoint}`
  return {
    kind: 'operator-action',
    severity: action === 'open' ? 'critical' : 'warning',
    subject: endpoint === undefined ? upstream : `${upstream} ${endpoint}`,
    message: `upstream "${upstream}": ${by} ${order} until ${until}; end the action when it is not needed any more`,
    since: startedAt,
    page: `upstreams?name=${encodeURIComponent(upstream)}${endpoint === undefined ? '' : `&endpoint=${encodeURIComponent(endpoint)}`}`
  }
}

function* ofLimits({ limits }: ProblemSources): Generator<Problem> {
  if (limits?.state !== 'unavailable') return
  const place = limits.store === 'redis' ? 'Redis' : 'the supervisor'
  yield {
    kind: 'limits-unavailable',
    severity: 'warning',
    subject: place,
    message: `limits are not counted in ${place}, so each tier's onRedisDown applies: ${limits.reason ?? 'unknown reason'}`,
    since: limits.since,
    page: 'limits'
  }
}

function* ofCounters({ history: { growth, latest } }: ProblemSources): Generator<Problem> {
  const { shed, droppedLogEntries } = growth
  if (shed.since !== undefined)
    yield {
      kind: 'overload',
      severity: 'critical',
      subject: 'gateway',
      message: `${shed.count} requests were rejected because the gateway cannot keep up; add workers or machines, or find what blocks the event loop`,
      since: toIso(shed.since),
      page: 'overview'
    }
  if (droppedLogEntries.since !== undefined)
    yield {
      kind: 'log-entries-dropped',
      severity: 'warning',
      subject: 'log',
      message: `${droppedLogEntries.count} log entries were dropped, since standard output does not take them; check what reads it`,
      since: toIso(droppedLogEntries.since),
      page: 'overview'
    }
  for (const { scope, rate, errorRatio } of latest()?.scopes ?? [])
    if (errorRatio !== null && errorRatio >= MANY_ERRORS && rate >= MIN_RATE)
      yield {
        kind: 'errors',
        severity: errorRatio >= MOST_ERRORS ? 'critical' : 'warning',
        subject: scope,
        message: `${Math.round(errorRatio * 100)} % of the exchanges of scope "${scope}" fail with a 5xx; filter the exchanges by status for the causes`,
        since: null,
        page: `exchanges?scope=${encodeURIComponent(scope)}&failed=true`
      }
}

function toIso(time: number | undefined): string | null {
  return time === undefined ? null : new Date(time).toISOString()
}
