import { useId, useState } from 'preact/hooks'
import { Badge, type Severity } from '../components/badge.tsx'
import { Cause } from '../components/cause.tsx'
import { Facts } from '../components/facts.tsx'
import { Loaded } from '../components/loaded.tsx'
import { type Column, Table } from '../components/table.tsx'
import { Ago, Since, Time, Until } from '../components/time.tsx'
import { formatCount, formatDuration, formatRatio } from '../format.ts'
import { useTopic } from '../store/live.ts'
import { hrefOf, query } from '../store/location.ts'
import type { Breaker, Endpoint, Upstream } from '../types.ts'
import { ActionDialog, type Target } from './action-dialog.tsx'
import { EndDialog } from './end-dialog.tsx'

/** Shows the upstreams, those with something wrong first, and lets operators act on them. */
export function UpstreamsPage() {
  const [target, setTarget] = useState<Target>()
  const [ending, setEnding] = useState<string>()
  const [done, setDone] = useState('')
  const wanted = query.value.get('name')
  return (
    <Loaded of={useTopic<Upstream[]>('upstreams')}>
      {upstreams => (
        <>
          <p role="status">{done}</p>
          {upstreams.length === 0 && <p class="empty">No upstreams.</p>}
          {wanted !== null && (
            <p>
              Upstream {wanted} only. <a href={hrefOf('upstreams')}>All upstreams</a>
            </p>
          )}
          {upstreams
            .filter(({ name }) => wanted === null || name === wanted)
            .toSorted((a, b) => faultsOf(b) - faultsOf(a))
            .map(upstream => (
              <UpstreamSection key={upstream.name} of={upstream} onAct={setTarget} onEnd={setEnding} />
            ))}
          {target && <ActionDialog target={target} onDone={setDone} onClose={() => setTarget(undefined)} />}
          {ending && <EndDialog id={ending} onDone={setDone} onClose={() => setEnding(undefined)} />}
        </>
      )}
    </Loaded>
  )
}

interface SectionProps {
  of: Upstream
  onAct(target: Target): void
  /** Asks to end the action with this id. */
  onEnd(id: string): void
}

function UpstreamSection({ of: { name, breaker, calls, endpoints, mirror }, onAct, onEnd }: SectionProps) {
  const id = useId()
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>{name}</h2>
      <Facts
        of={[
          ['Breaker', <BreakerState of={breaker} />],
          ['Calls in its window', `${formatCount(breaker.calls)}, failed ${formatCount(breaker.failures)}`],
          ['In flight', formatCount(calls.running)],
          ['Queued', formatCount(calls.queued)],
          ['Retries', formatCount(calls.retries)],
          ['Retries not allowed', formatCount(calls.exhausted)],
          ['Rejected by the breaker', formatCount(breaker.rejected)],
          ['Rejected by the bulkhead', formatCount(calls.rejected)],
          ...(mirror
            ? [
                ['Mirrored', `${formatCount(mirror.sent)}, failed ${formatCount(mirror.failed)}`] as [
                  string,
                  string
                ]
              ]
            : [])
        ]}
      />
      <p class="buttons">
        {breaker.action === undefined ? (
          <button type="button" onClick={() => onAct({ upstream: name })}>
            Open or reset the breaker of {name} …
          </button>
        ) : (
          <button type="button" onClick={() => onEnd(breaker.action?.id as string)}>
            End “{breaker.action.action}” of {name} …
          </button>
        )}
        <a href={hrefOf('exchanges', { upstream: name, failed: 'true' })}>Failed exchanges of {name}</a>
      </p>
      <Table
        label={`Endpoints of ${name}`}
        columns={columnsOf({ name, breaker }, onAct, onEnd)}
        rows={endpoints}
        keyOf={({ url }) => url}
        selected={query.value.get('endpoint')}
        empty="No endpoints: DNS has returned no address."
      />
      <History of={breaker} />
    </section>
  )
}

function BreakerState({ of: { state, since, until, history = [], workers, action } }: { of: Breaker }) {
  const cause = history.at(-1)?.cause
  return (
    <>
      <Badge severity={BREAKER[state]}>{state}</Badge>{' '}
      <small>
        {workers && <Workers of={workers} />} <Since at={since} />
        {cause !== undefined && state !== 'closed' && <> because of {cause}</>}
        {until !== undefined && (
          <>
            , tries calls again at <Time at={until} />
          </>
        )}
        {action && <Applied {...action} />}
      </small>
    </>
  )
}

function columnsOf(
  { name: upstream, breaker }: Pick<Upstream, 'name' | 'breaker'>,
  onAct: SectionProps['onAct'],
  onEnd: SectionProps['onEnd']
): Column<Endpoint>[] {
  return [
    { head: 'Endpoint', cell: ({ url }) => <span class="code">{url}</span> },
    {
      head: 'State',
      cell: ({ state, ejectedUntil, workers, check, action, latency, peerLatency }) => (
        <>
          {breaker.state === 'open' && <Badge severity="critical">no calls: the breaker is open</Badge>}{' '}
          {peerLatency !== undefined && <Slow latency={latency} peerLatency={peerLatency} />}
          {(breaker.state !== 'open' || state !== 'healthy') && (
            <Badge severity={HEALTH[state]}>{state}</Badge>
          )}{' '}
          {workers && <Workers of={workers} />} {state === 'ejected' && <Until at={ejectedUntil} />}
          {state === 'unhealthy' && check && `${formatCount(check.failed)} checks failed in a row`}
          {action && <Applied {...action} />}
        </>
      )
    },
    { head: 'Last error', cell: ({ lastError }) => (lastError ? <LastErrorCell {...lastError} /> : 'none') },
    { head: 'In flight', isNumber: true, cell: ({ inFlight }) => formatCount(inFlight) },
    { head: 'Calls', isNumber: true, cell: ({ calls }) => formatCount(calls) },
    {
      head: 'Failed',
      isNumber: true,
      cell: ({ calls, failures }) =>
        `${formatCount(failures)} (${formatRatio(calls === 0 ? 0 : failures / calls)})`
    },
    {
      head: 'Latency',
      isNumber: true,
      cell: ({ latency, calls }) => formatDuration(calls === 0 ? null : latency)
    },
    { head: 'Ejections', isNumber: true, cell: ({ ejections }) => formatCount(ejections) },
    {
      head: 'Action',
      cell: ({ url, action }) =>
        action === undefined ? (
          <button
            type="button"
            aria-label={`Drain or eject ${url}`}
            onClick={() => onAct({ upstream, endpoint: url })}
          >
            Drain or eject …
          </button>
        ) : (
          <button
            type="button"
            aria-label={`End ${action.action} of ${url}`}
            onClick={() => onEnd(action.id)}
          >
            End “{action.action}” …
          </button>
        )
    }
  ]
}

function Slow({ latency, peerLatency }: { latency: number; peerLatency: number }) {
  return (
    <Badge severity="warning">
      slow: {formatDuration(latency)}, its peers {formatDuration(peerLatency)}{' '}
    </Badge>
  )
}

function LastErrorCell({ at, cause, detail }: NonNullable<Endpoint['lastError']>) {
  return (
    <>
      <Cause code={cause} detail={detail} /> <Ago at={at} />
    </>
  )
}

function Applied({ action, until, by }: NonNullable<Endpoint['action']>) {
  return (
    <span class="applied">
      {' '}
      “{action}” by {by} <Until at={until} />
    </span>
  )
}

function Workers({ of: workers }: { of: Record<string, number[]> }) {
  const parts = Object.entries(workers).map(
    ([state, ids]) => `${state} in ${ids.length === 1 ? 'worker' : 'workers'} ${ids.join(', ')}`
  )
  return <span class="muted">({parts.join('; ')})</span>
}

function History({ of: { history = [] } }: { of: Breaker }) {
  if (history.length === 0) return null
  return (
    <details>
      <summary>Breaker history</summary>
      <ul class="history">
        {history.toReversed().map(({ at, state, cause }) => (
          <li key={`${at} ${state}`}>
            <Time at={at} /> <Badge severity={BREAKER[state]}>{state}</Badge>{' '}
            {cause !== undefined && <Cause code={cause} />}
          </li>
        ))}
      </ul>
    </details>
  )
}

const BREAKER: Record<Breaker['state'], Severity> = { closed: 'ok', 'half-open': 'warning', open: 'critical' }
const HEALTH: Record<Endpoint['state'], Severity> = {
  healthy: 'ok',
  ejected: 'warning',
  unhealthy: 'critical'
}

/** Orders upstreams: an open breaker first, then the number of endpoints that get no calls. */
function faultsOf({ breaker, endpoints }: Upstream): number {
  const breakerFaults = { open: 2_000, 'half-open': 1_000, closed: 0 }[breaker.state]
  const faulty = endpoints.filter(
    ({ state, action, peerLatency }) => state !== 'healthy' || action || peerLatency !== undefined
  )
  return breakerFaults + faulty.length
}
