import { useState } from 'preact/hooks'
import { ExchangeStatus } from '../components/exchange-status.tsx'
import { FilterLink } from '../components/filter-link.tsx'
import { type Column, Table } from '../components/table.tsx'
import { Time } from '../components/time.tsx'
import { formatCount, formatDuration } from '../format.ts'
import { hrefOf, query } from '../store/location.ts'
import type { Summary } from '../types.ts'

/** Rows that are drawn at first, and more on request: drawing is what makes a long list slow. */
const STEP = 100

/** Lists exchanges; values filter the list, and the request leads to its details. */
export function ExchangeTable({ of: exchanges, empty }: { of: Summary[]; empty: string }) {
  const [drawn, setDrawn] = useState(STEP)
  return (
    <>
      <Table
        label="Exchanges"
        columns={columns}
        rows={exchanges.slice(0, drawn)}
        keyOf={({ id }) => id}
        empty={empty}
      />
      {exchanges.length > drawn && (
        <p class="buttons">
          <button type="button" onClick={() => setDrawn(drawn + STEP)}>
            Show more
          </button>
          <span class="muted">
            {formatCount(drawn)} of {formatCount(exchanges.length)} shown
          </span>
        </p>
      )}
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
  { head: 'Cause', cell: ({ cause }) => <FilterLink name="cause" value={cause} /> },
  { head: 'Duration', isNumber: true, cell: ({ durationMs }) => formatDuration(durationMs) },
  { head: 'Route', cell: ({ route }) => <FilterLink name="route" value={route} /> },
  { head: 'Consumer', cell: ({ consumer }) => <FilterLink name="consumer" value={consumer} /> },
  { head: 'Endpoint', cell: ({ endpoint }) => <FilterLink name="endpoint" value={endpoint} /> },
  { head: 'Attempts', isNumber: true, cell: ({ attempts }) => formatCount(attempts) }
]
