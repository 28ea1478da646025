import { AppliedAction } from '../components/applied-action.tsx'
import { Badge, type Severity } from '../components/badge.tsx'
import { Cause } from '../components/cause.tsx'
import { type Column, Table } from '../components/table.tsx'
import { Ago, Until } from '../components/time.tsx'
import { WorkersByState } from '../components/workers-by-state.tsx'
import { formatCount, formatDuration, formatRatio } from '../format.ts'
import { now } from '../store/clock.ts'
import { query } from '../store/location.ts'
import type { Endpoint, Upstream } from '../types.ts'
import type { Applied } from './end-dialog.tsx'
import type { Target } from './target.ts'

export interface ActionHandlers {
  onAct(target: Target): void
  /** Asks to end an action. */
  onEnd(applied: Applied): void
}

/** Shows the endpoints of an upstream. */
export function Endpoints({ of: upstream, ...handlers }: { of: Upstream } & ActionHandlers) {
  return (
    <Table
      label={`Endpoints of ${upstream.name}`}
      columns={columnsOf(upstream, handlers)}
      rows={upstream.endpoints}
      keyOf={({ url }) => url}
      selected={query.value.get('endpoint')}
      empty="No endpoints: DNS has returned no address."
    />
  )
}

function columnsOf(upstream: Upstream, { onAct, onEnd }: ActionHandlers): Column<Endpoint>[] {
  return [
    { head: 'Endpoint', cell: ({ url }) => <span class="code">{url}</span> },
    {
      head: 'State',
      cell: endpoint => <State of={endpoint} isBreakerOpen={upstream.breaker.state === 'open'} />
    },
    {
      head: 'Last error',
      cell: ({ lastError }) =>
        lastError ? (
          <>
            <Cause code={lastError.cause} detail={lastError.detail} /> <Ago at={lastError.at} />
          </>
        ) : (
          'none'
        )
    },
    { head: 'In flight', isNumber: true, cell: ({ inFlight }) => formatCount(inFlight) },
    { head: 'Calls', isNumber: true, cell: ({ calls }) => formatCount(calls) },
    {
      head: 'Failed calls',
      title:
        'Connection errors, timeouts and responses with 5xx. A response that does not match its schema does not count: see the last error.',
      isNumber: true,
      cell: ({ calls, failures }) =>
        `${formatCount(failures)} (${formatRatio(calls === 0 ? 0 : failures / calls)})`
    },
    {
      head: 'Latency',
      title: 'Moving average until the response headers',
      isNumber: true,
      cell: ({ latency, calls }) => formatDuration(calls === 0 ? null : latency)
    },
    { head: 'Ejections', isNumber: true, cell: ({ ejections }) => formatCount(ejections) },
    {
      head: 'Action',
      cell: ({ url, action }) => {
        const target = { upstream: upstream.name, endpoint: url }
        return action === undefined ? (
          <button type="button" aria-label={`Drain or eject ${url}`} onClick={() => onAct(target)}>
            Drain or eject …
          </button>
        ) : (
          <button
            type="button"
            aria-label={`End ${action.action} of ${url}`}
            onClick={() => onEnd({ target, action })}
          >
            End “{action.action}” …
          </button>
        )
      }
    }
  ]
}

const STATES: Record<Exclude<Endpoint['state'], 'healthy'>, Severity> = {
  ejected: 'warning',
  unhealthy: 'critical'
}

/**
 * The state in words. An endpoint that the gateway calls "healthy" only responds: it may be slow, or its responses may be
 * invalid, which the last error tells.
 */
function State({ of: endpoint, isBreakerOpen }: { of: Endpoint; isBreakerOpen: boolean }) {
  const { state, ejectedUntil, workers, check, action, latency, peerLatency } = endpoint
  return (
    <>
      {isBreakerOpen && <Badge severity="critical">no calls: the breaker is open</Badge>}{' '}
      {state !== 'healthy' ? (
        <Badge severity={STATES[state]}>{state}</Badge>
      ) : peerLatency !== undefined ? (
        <Badge severity="warning">
          responds, slow: {formatDuration(latency)}, its peers {formatDuration(peerLatency)}
        </Badge>
      ) : (
        !isBreakerOpen && <Responding of={endpoint} />
      )}{' '}
      {workers && <WorkersByState of={workers} />} {state === 'ejected' && <Until at={ejectedUntil} />}
      {state === 'unhealthy' && check && `${formatCount(check.failed)} checks failed in a row`}
      {action && <AppliedAction of={action} />}
    </>
  )
}

/** Milliseconds for which an error counts as recent. */
const RECENT = 60_000

function Responding({ of: { calls, lastError } }: { of: Endpoint }) {
  if (calls === 0) return <Badge severity="neutral">not called yet</Badge>
  if (lastError !== undefined && now.value - Date.parse(lastError.at) < RECENT)
    return <Badge severity="warning">responds, with errors</Badge>
  return <Badge severity="ok">responds</Badge>
}
