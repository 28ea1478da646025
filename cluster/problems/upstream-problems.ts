import type { UpstreamAction } from '../../proxy/upstream-action.ts'
import type { MergedUpstream } from '../merge/upstreams.ts'
import { type Problem, pageOf, toIso } from './problem.ts'

type Endpoint = MergedUpstream['endpoints'][number]

/** An endpoint is slow if it takes this many times as long as the median of its peers, and this many ms longer. */
const SLOW_RATIO = 3
const SLOW_DIFFERENCE = 100

/** Problems of an upstream's breaker and endpoints. */
export function* upstreamProblems({ name, breaker, endpoints }: MergedUpstream): Generator<Problem> {
  const { since } = breaker as { since?: number }
  // An operator's order is a problem of its own.
  if (breaker.state !== 'closed' && breaker.action === undefined)
    yield {
      kind: 'breaker-open',
      severity: breaker.state === 'open' ? 'critical' : 'warning',
      subject: name,
      message:
        breaker.state === 'open'
          ? `The breaker of upstream "${name}" is open, so calls are rejected; check the service, whose last errors are on the page.`
          : `The breaker of upstream "${name}" is half-open and tries a few calls.`,
      since: toIso(since),
      page: pageOf('upstreams', { name })
    }
  for (const endpoint of endpoints) {
    const { url, state, action } = endpoint
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
    const peers = state === 'healthy' && action === undefined ? medianOfPeers(endpoint, endpoints) : undefined
    if (
      peers !== undefined &&
      endpoint.latency >= peers * SLOW_RATIO &&
      endpoint.latency - peers >= SLOW_DIFFERENCE
    )
      yield {
        kind: 'endpoint-slow',
        severity: 'warning',
        subject,
        message: `Endpoint ${url} of upstream "${name}" responds in ${inWords(endpoint.latency)}, its peers in ${inWords(peers)}; check its host, and drain it meanwhile.`,
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
  const order =
    action === 'open'
      ? `The breaker of upstream "${upstream}" is held open by ${by}, so calls are rejected,`
      : `Endpoint ${endpoint} of upstream "${upstream}" gets no calls by order of ${by},`
  const why = reason === undefined ? '' : ` (${reason})`
  return {
    kind: 'operator-action',
    severity: action === 'open' ? 'critical' : 'warning',
    subject: endpoint === undefined ? upstream : `${upstream} ${endpoint}`,
    message: `${order} until ${until}${why}; end the action when it is not needed any more.`,
    since: startedAt,
    page: pageOf('upstreams', { name: upstream, endpoint })
  }
}

/** Returns the median latency of the other endpoints that have been called, in ms. */
function medianOfPeers(endpoint: Endpoint, all: Endpoint[]): number | undefined {
  if (endpoint.calls === 0) return undefined
  const latencies = all
    .filter(other => other !== endpoint && other.calls > 0)
    .map(({ latency }) => latency)
    .sort((a, b) => a - b)
  return latencies[Math.floor((latencies.length - 1) / 2)]
}

function inWords(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
}
