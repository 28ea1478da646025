import { useEffect, useRef } from 'preact/hooks'
import { Badge } from '../components/badge.tsx'
import { Cause } from '../components/cause.tsx'
import { Chart } from '../components/chart.tsx'
import { Facts } from '../components/facts.tsx'
import { Loaded } from '../components/loaded.tsx'
import { type Column, Table } from '../components/table.tsx'
import { Since } from '../components/time.tsx'
import { formatDuration, formatRate, formatRatio } from '../format.ts'
import { now } from '../store/clock.ts'
import { usePath, useTopic } from '../store/live.ts'
import { hrefOf, query } from '../store/location.ts'
import type { FrequentCause, History, Overview, Problem } from '../types.ts'

/** Lists the problems, then the rates of the last 10 s by scope, then charts of the last hour. */
export function OverviewPage() {
  return (
    <Loaded of={useTopic<Overview>('overview')}>
      {overview => (
        <>
          <Problems of={overview.problems} />
          <Facts
            of={[
              ['Requests', formatRate(overview.total?.rate)],
              ['Errors (5xx)', formatRatio(overview.total?.errorRatio)],
              ['p50', formatDuration(overview.total?.p50)],
              ['p95', formatDuration(overview.total?.p95)],
              ['p99', formatDuration(overview.total?.p99)],
              ['Workers ready', `${overview.workers.ready} of ${overview.workers.total}`],
              ['Uptime', formatDuration(Math.max(0, now.value - Date.parse(overview.startedAt)))],
              ['Version', overview.version]
            ]}
          />
          {overview.causes && <Causes of={overview.causes} />}
          <h2>Scopes, last 10 s</h2>
          <Table
            label="Scopes"
            columns={columns}
            rows={overview.scopes ?? []}
            keyOf={({ scope }) => scope}
            empty={
              overview.total ? 'No request since the start.' : 'The first rates come 10 s after the start.'
            }
          />
          <LastHour />
        </>
      )}
    </Loaded>
  )
}

function Problems({ of: problems }: { of: Problem[] }) {
  return (
    <section aria-labelledby="problems">
      <h2 id="problems">Wrong now</h2>
      {problems.length === 0 && (
        <p>
          <Badge severity="ok">No problem found by the gateway's checks</Badge>
        </p>
      )}
      <ul class="problems">
        {problems.map(({ kind, severity, subject, message, since, page }) => (
          <li key={`${kind} ${subject}`} class={severity}>
            <Badge severity={severity}>{severity}</Badge>
            <span>
              {page == null ? message : <a href={`#/${page.replace(/^[#/]+/, '')}`}>{message}</a>}{' '}
              <Since at={since} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}

type Row = NonNullable<Overview['scopes']>[number] & { rejectedRatio?: number | null }

/** Numbers lead to the exchanges that they count. */
const columns: Column<Row>[] = [
  { head: 'Scope', cell: ({ scope }) => <a href={hrefOf('exchanges', { scope })}>{scope}</a> },
  {
    head: 'Requests',
    isNumber: true,
    cell: ({ scope, rate }) => <a href={hrefOf('exchanges', { scope })}>{formatRate(rate)}</a>
  },
  {
    head: 'Errors (5xx)',
    isNumber: true,
    cell: ({ scope, errorRatio }) => (
      <a href={hrefOf('exchanges', { scope, failed: 'true' })}>{formatRatio(errorRatio)}</a>
    )
  },
  {
    head: 'Rejected (4xx)',
    isNumber: true,
    cell: ({ scope, rejectedRatio }) => (
      <a href={hrefOf('exchanges', { scope, status: '4xx' })}>{formatRatio(rejectedRatio)}</a>
    )
  },
  { head: 'p50', isNumber: true, cell: ({ p50 }) => formatDuration(p50) },
  { head: 'p95', isNumber: true, cell: ({ p95 }) => formatDuration(p95) },
  {
    head: 'p99',
    isNumber: true,
    cell: ({ scope, p99, p95 }) => (
      <a href={hrefOf('exchanges', { scope, minDuration: `${Math.floor(p95 ?? 0)}` })}>
        {formatDuration(p99)}
      </a>
    )
  },
  { head: 'Routes', cell: ({ scope }) => <a href={hrefOf('scopes', { scope })}>Routes of {scope}</a> },
  { head: 'Charts', cell: ({ scope }) => <a href={hrefOf('overview', { scope })}>Last hour of {scope}</a> }
]

function Causes({ of: causes }: { of: FrequentCause[] }) {
  return (
    <>
      <h2>Why requests fail, last 10 s</h2>
      <Table
        label="Causes"
        columns={causeColumns}
        rows={causes}
        keyOf={({ scope, upstream, cause }) => `${scope} ${upstream} ${cause}`}
        empty="No request has failed."
      />
    </>
  )
}

const causeColumns: Column<FrequentCause>[] = [
  { head: 'Cause', cell: ({ cause }) => <Cause code={cause} /> },
  { head: 'Scope', cell: ({ scope }) => scope || 'none' },
  {
    head: 'Upstream',
    cell: ({ upstream, endpoint }) =>
      upstream ? (
        <>
          <a href={hrefOf('upstreams', { name: upstream, endpoint })}>{upstream}</a>{' '}
          <span class="code">{endpoint}</span>
        </>
      ) : (
        '–'
      )
  },
  { head: 'Failed', isNumber: true, cell: ({ rate }) => formatRate(rate) },
  { head: 'Share of the scope', isNumber: true, cell: ({ ratio }) => formatRatio(ratio) },
  {
    head: 'Exchanges',
    cell: ({ scope, cause }) => <a href={hrefOf('exchanges', { scope, cause })}>Show</a>
  }
]

function LastHour() {
  const history = usePath<History>('history', 10_000)
  const scope = query.value.get('scope')
  const section = useRef<HTMLElement>(null)
  const isLoaded = history.data !== undefined
  useEffect(() => {
    if (scope !== null) section.current?.scrollIntoView()
  }, [scope, isLoaded])
  return (
    <Loaded of={history}>
      {({ times, total, scopes }) => {
        const samples = (scope !== null && scopes[scope]) || total
        return (
          <section aria-labelledby="hour" ref={section}>
            <h2 id="hour">
              Last hour, {samples === total ? 'all scopes' : `scope ${scope}`}{' '}
              {samples !== total && <a href={hrefOf('overview')}>All scopes</a>}
            </h2>
            <div class="charts">
              <Chart
                title="Requests"
                atLeast={1}
                times={times}
                format={formatRate}
                series={[{ label: 'rate', values: samples.rate }]}
              />
              <Chart
                title="Errors (5xx)"
                atLeast={0.05}
                times={times}
                format={formatRatio}
                series={[{ label: 'ratio', values: samples.errorRatio }]}
              />
              <Chart
                title="Duration"
                atLeast={10}
                times={times}
                format={formatDuration}
                series={(['p50', 'p95', 'p99'] as const).map(label => ({ label, values: samples[label] }))}
              />
            </div>
          </section>
        )
      }}
    </Loaded>
  )
}
