import { useState } from 'preact/hooks'
import { ExchangeStatus } from '../components/exchange-status.tsx'
import { ErrorText } from '../components/loaded.tsx'
import { type Column, Table } from '../components/table.tsx'
import { Time } from '../components/time.tsx'
import { formatCount, formatDuration } from '../format.ts'
import { useExchanges } from '../store/exchanges.ts'
import { hrefOf, query } from '../store/location.ts'
import type { Summary } from '../types.ts'
import { Captures } from './captures.tsx'
import { ExchangePage } from './exchange.tsx'
import { FILTERS, Filters } from './exchange-filters.tsx'

/** Shows one exchange, or lists the exchanges that match the filters, and captures. */
export function ExchangesPage() {
  const id = query.value.get('id')
  return id === null ? <ExchangeList /> : <ExchangePage id={id} />
}

function ExchangeList() {
  const [isPaused, setPaused] = useState(false)
  const parameters = FILTERS.flatMap(name => {
    const value = query.value.get(name)
    return value ? [[name, value]] : []
  })
  const { shown, waiting, missed, isLoading, isLive, error } = useExchanges(
    new URLSearchParams(parameters).toString(),
    isPaused
  )
  return (
    <>
      <Filters />
      <p class="buttons">
        <button type="button" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
          {isPaused ? `Continue (${formatCount(waiting)} new)` : 'Pause'}
        </button>
        <span role="status">
          {isPaused ? 'Paused.' : isLive ? 'Live.' : 'Not live: connecting.'}
          {missed > 0 && ` ${formatCount(missed)} left out, because there were too many.`}
        </span>
      </p>
      {error !== undefined && <ErrorText>{error}</ErrorText>}
      {isLoading ? (
        <p role="status">Loading …</p>
      ) : (
        <Table
          label="Exchanges"
          columns={columns}
          rows={shown}
          keyOf={({ id }) => id}
          empty="No exchange matches. The recorder keeps the last ones, and failed ones for longer."
        />
      )}
      <Captures />
    </>
  )
}

const columns: Column<Summary>[] = [
  {
    head: 'Request',
    cell: ({ id, method, url }) => (
      <a class="code" href={hrefOf('exchanges', { ...Object.fromEntries(query.value), id })}>
        {method} {url}
      </a>
    )
  },
  { head: 'Time', cell: ({ at }) => <Time at={at} /> },
  { head: 'Status', cell: exchange => <ExchangeStatus of={exchange} /> },
  { head: 'Cause', cell: ({ cause }) => <span class="code">{cause ?? '–'}</span> },
  { head: 'Duration', isNumber: true, cell: ({ durationMs }) => formatDuration(durationMs) },
  { head: 'Scope', cell: ({ scope }) => scope ?? '–' },
  { head: 'Consumer', cell: ({ consumer }) => <span class="code">{consumer ?? '–'}</span> },
  { head: 'Endpoint', cell: ({ endpoint }) => <span class="code">{endpoint ?? '–'}</span> },
  { head: 'Attempts', isNumber: true, cell: ({ attempts }) => formatCount(attempts) }
]
