import type { UpstreamAction } from '../../proxy/upstream-action.ts'
import type { MergedUpstream } from '../merge/upstreams.ts'
import { type Problem, pageOf } from './problem.ts'

/** Problems of an upstream's breaker and endpoints. */
export function* upstreamProblems({ name, breaker, endpoints }: MergedUpstream): Generator<Problem> {
  // An operator's order is a problem of its own.
  if (breaker.state !== 'closed' && breaker.action === undefined)
    yield {
      kind: 'breaker-open',
      severity: breaker.state === 'open' ? 'critical' : 'warning',
      subject: name,
      message:
        breaker.state === 'open'
          ? `The breaker of upstream "${name}" is open, so calls are rejected; check the service and the last errors of its endpoints.`
          : `The breaker of upstream "${name}" is half-open and tries a few calls.`,
      since: breaker.since,
      page: pageOf('upstreams', { name })
    }
  for (const endpoint of endpoints) {
    const { url, state, latency, peerLatency } = endpoint
    const page = pageOf('upstreams', { name, endpoint: url })
    const subject = `${name} ${url}`
    if (state !== 'healthy')
      yield {
        kind: `endpoint-${state}`,
        severity: 'warning',
        subject,
        message:
          state === 'ejected'
            ? `Endpoint ${url} of upstream "${name}" is ejected, since its calls failed; it is tried again by itself.`
            : `Endpoint ${url} of upstream "${name}" fails its health checks and gets no calls; check the host.`,
        since: null,
        page
      }
    if (peerLatency !== undefined)
      yield {
        kind: 'endpoint-slow',
        severity: 'warning',
        subject,
        message: `Endpoint ${url} of upstream "${name}" responds in ${inWords(latency)}, its peers in ${inWords(peerLatency)}; check its host, and drain it meanwhile.`,
        since: null,
        page
      }
  }
}

export function actionProblem({
  upstream,
  endpoint,
  action,
  until,
  by,
  startedAt,
  reason
}: UpstreamAction): Problem {
  const who = by === 'token' ? 'an operator without a name' : by
  const order =
    action === 'open'
      ? `The breaker of upstream "${upstream}" is held open by ${who}, so calls are rejected,`
      : `Endpoint ${endpoint} of upstream "${upstream}" gets no calls by order of ${who},`
  const why = reason === undefined ? '' : ` (reason: ${reason})`
  return {
    kind: 'operator-action',
    severity: action === 'open' ? 'critical' : 'warning',
    subject: endpoint === undefined ? upstream : `${upstream} ${endpoint}`,
    message: `${order} until ${shortTime(until)}${why}; end the action when it is not needed any more.`,
    since: startedAt,
    page: pageOf('upstreams', { name: upstream, endpoint })
  }
}

/** Returns an ISO instant in UTC, without its fraction; the date only if it is not that of today. */
function shortTime(iso: string): string {
  const [date, time] = iso.split('T') as [string, string]
  const isToday = new Date().toISOString().startsWith(date)
  return `${isToday ? '' : `${date} `}${time.slice(0, 8)} UTC`
}

function inWords(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
}
