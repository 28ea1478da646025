import { Badge } from '../components/badge.tsx'
import { Facts } from '../components/facts.tsx'
import { Loaded } from '../components/loaded.tsx'
import { type Column, Table } from '../components/table.tsx'
import { Since, Time } from '../components/time.tsx'
import { formatCount, formatDuration, formatRatio } from '../format.ts'
import { useTopic } from '../store/live.ts'
import { hrefOf, query } from '../store/location.ts'
import type { Limits } from '../types.ts'

const STORES = {
  redis: 'Redis, for all gateways',
  supervisor: 'the supervisor, for all workers of this gateway',
  memory: 'this process'
}

/** Shows where limits are counted, who is near one, and the decisions of each tier. */
export function LimitsPage() {
  return (
    <Loaded of={useTopic<Limits>('limits')}>
      {limits => (
        <>
          <Facts
            of={[
              ['Counted in', STORES[limits.store]],
              [
                'State',
                <>
                  <Badge severity={limits.state === 'up' ? 'ok' : 'critical'}>{limits.state}</Badge>{' '}
                  <Since at={limits.since} />
                </>
              ],
              ...leasesOf(limits)
            ]}
          />
          {limits.leases && (
            <p class="muted">
              A lease is a share of a limit that a worker takes in advance, so that it decides without asking
              the store.
            </p>
          )}
          {limits.reason !== undefined && <p class="error">{limits.reason}</p>}
          <h2>Near or over a limit now</h2>
          <Table
            label="Near or over a limit"
            columns={nearColumns}
            rows={limits.near ?? []}
            keyOf={({ tier, by, key, limit }) => `${tier} ${by} ${key} ${limit}`}
            empty="Nobody is near a limit."
          />
          <h2>Tiers, decisions since the start</h2>
          <p class="muted">
            While Redis is unavailable, the tier's <span class="code">onRedisDown</span> decides:{' '}
            <em>local</em> counts in this gateway alone, <em>open</em> allows, <em>closed</em> rejects.{' '}
            <em>Unavailable</em>: the deadline of the request passed first.
          </p>
          <Table
            label="Tiers"
            columns={tierColumns}
            rows={limits.tiers}
            keyOf={({ name }) => name}
            selected={query.value.get('tier')}
            empty="No tiers."
          />
        </>
      )}
    </Loaded>
  )
}

/** Leases let workers decide without a question to the store. */
function leasesOf({ leases }: Limits): [string, string][] {
  if (leases === undefined) return []
  return [
    ['Decided from leases', formatRatio(leases.share)],
    [
      'Questions to the store',
      `${formatCount(leases.storeCalls)} for ${formatCount(leases.requests)} requests`
    ]
  ]
}

type Near = NonNullable<Limits['near']>[number]

const nearColumns: Column<Near>[] = [
  { head: 'Who', cell: ({ key }) => <span class="code">{key}</span> },
  { head: 'By', cell: ({ by }) => by },
  { head: 'Tier', cell: ({ tier }) => <a href={hrefOf('limits', { tier })}>{tier}</a> },
  {
    head: 'Used',
    isNumber: true,
    cell: ({ used, limit, windowMs, isOver }) => (
      <Badge severity={isOver ? 'critical' : 'warning'}>
        {isOver ? 'over, rejects requests: ' : used >= limit ? 'at its limit: ' : 'near: '}
        {formatCount(used)} of {formatCount(limit)} in {formatDuration(windowMs)} ({formatRatio(used / limit)}
        )
      </Badge>
    )
  },
  { head: 'Resets at', isNumber: true, cell: ({ resetsAt }) => <Time at={resetsAt} /> },
  {
    head: 'Exchanges',
    cell: ({ by, key }) =>
      by === 'consumer' ? (
        <>
          <a href={hrefOf('exchanges', { consumer: key })}>Exchanges of {key}</a>,{' '}
          <a href={hrefOf('exchanges', { consumer: key, cause: 'limit-reached' })}>rejected</a>
        </>
      ) : (
        '–'
      )
  }
]

type Tier = Limits['tiers'][number]

/** Decisions as the metric `sluice_limit_decisions_total` names them. */
const DECISIONS: [decision: keyof Tier['decisions'], head: string, title: string][] = [
  ['allowed', 'Allowed', 'The limit had requests left'],
  ['rejected', 'Rejected', 'The limit was used up: the client got 429'],
  ['local', 'Local', 'Redis was unavailable: counted in this gateway alone'],
  ['open', 'Open', 'Redis was unavailable: allowed without counting'],
  ['closed', 'Closed', 'Redis was unavailable: rejected'],
  ['unavailable', 'Unavailable', 'The deadline of the request passed before Redis responded']
]

const tierColumns: Column<Tier>[] = [
  { head: 'Tier', cell: ({ name }) => name },
  ...DECISIONS.map(([decision, head, title]) => ({
    head,
    title,
    isNumber: true,
    cell: ({ decisions }: Tier) => formatCount(decisions[decision])
  }))
]
