import { useId, useState } from 'preact/hooks'
import { AppliedAction } from '../components/applied-action.tsx'
import { Badge, type Severity } from '../components/badge.tsx'
import { Cause } from '../components/cause.tsx'
import { Facts } from '../components/facts.tsx'
import { Loaded } from '../components/loaded.tsx'
import { Since, Time } from '../components/time.tsx'
import { WorkersByState } from '../components/workers-by-state.tsx'
import { formatCount } from '../format.ts'
import { useTopic } from '../store/live.ts'
import { hrefOf, query } from '../store/location.ts'
import type { Breaker, Upstream } from '../types.ts'
import { ActionDialog } from './action-dialog.tsx'
import { type Applied, EndDialog } from './end-dialog.tsx'
import { type ActionHandlers, Endpoints } from './endpoints.tsx'
import type { Target } from './target.ts'

/** Shows the upstreams, those with something wrong first, and lets operators act on them. */
export function UpstreamsPage() {
  const [target, setTarget] = useState<Target>()
  const [ending, setEnding] = useState<Applied>()
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
          {ending && <EndDialog of={ending} onDone={setDone} onClose={() => setEnding(undefined)} />}
        </>
      )}
    </Loaded>
  )
}

function UpstreamSection({ of: upstream, onAct, onEnd }: { of: Upstream } & ActionHandlers) {
  const { name, breaker, calls, mirror } = upstream
  const { action } = breaker
  const id = useId()
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>{name}</h2>
      <Facts
        of={[
          ['Breaker', <BreakerState of={breaker} />],
          [
            'Calls in its window',
            breaker.state === 'open'
              ? '– (open)'
              : `${formatCount(breaker.calls)}, failed ${formatCount(breaker.failures)}`
          ],
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
        {action === undefined ? (
          <button type="button" onClick={() => onAct({ upstream: name })}>
            Open or reset the breaker of {name} …
          </button>
        ) : (
          <button type="button" onClick={() => onEnd({ target: { upstream: name }, action })}>
            End “{action.action}” of {name} …
          </button>
        )}
        <a href={hrefOf('exchanges', { upstream: name, failed: 'true' })}>Failed exchanges of {name}</a>
      </p>
      <Endpoints of={upstream} onAct={onAct} onEnd={onEnd} />
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
        {workers && <WorkersByState of={workers} />} <Since at={since} />
        {cause !== undefined && cause !== 'operator' && state !== 'closed' && <> because of {cause}</>}
        {until !== undefined && (
          <>
            , tries calls again at <Time at={until} />
          </>
        )}
        {action && <AppliedAction of={action} />}
      </small>
    </>
  )
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

/** Orders upstreams: an open breaker first, then the number of endpoints that get no calls. */
function faultsOf({ breaker, endpoints }: Upstream): number {
  const breakerFaults = { open: 2_000, 'half-open': 1_000, closed: 0 }[breaker.state]
  const faulty = endpoints.filter(
    ({ state, action, peerLatency }) => state !== 'healthy' || action || peerLatency !== undefined
  )
  return breakerFaults + faulty.length
}
