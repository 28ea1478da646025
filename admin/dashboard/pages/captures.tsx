import { useState } from 'preact/hooks'
import { ErrorText, Loaded } from '../components/loaded.tsx'
import { type Column, Table } from '../components/table.tsx'
import { Until } from '../components/time.tsx'
import { formatBytes, formatCount } from '../format.ts'
import { usePath } from '../store/live.ts'
import { hrefOf } from '../store/location.ts'
import { authorized } from '../store/session.ts'
import type { Capture } from '../types.ts'
import { captureChanges } from './start-capture.tsx'

/** Captures keep whole bodies of the exchanges that match, for a while. */
export function Captures() {
  const [error, setError] = useState<string>()

  async function remove(id: string): Promise<void> {
    try {
      await authorized('DELETE', `captures/${encodeURIComponent(id)}`)
      setError(undefined)
    } catch (error) {
      setError((error as Error).message)
    }
    captureChanges.value++
  }

  return (
    <section aria-labelledby="captures">
      <h2 id="captures">Captures</h2>
      <p class="muted">A capture keeps whole bodies of the exchanges of a consumer or a route.</p>
      {error !== undefined && <ErrorText>{error}</ErrorText>}
      <Loaded of={usePath<Capture[]>('captures', 5_000, captureChanges.value)}>
        {captures => (
          <Table
            label="Captures"
            columns={columnsOf(remove)}
            rows={captures}
            keyOf={({ id }) => id}
            empty="No captures."
          />
        )}
      </Loaded>
    </section>
  )
}

function columnsOf(remove: (id: string) => void): Column<Capture>[] {
  return [
    {
      head: 'Captured',
      cell: ({ match: { consumer, route, header } }) => (
        <span class="code">
          {[consumer && `consumer ${consumer}`, route && `route ${route}`, header && `header ${header.name}`]
            .filter(Boolean)
            .join(', ')}
        </span>
      )
    },
    {
      head: 'State',
      cell: ({ state, endsAt }) => (
        <>
          {state} {state === 'active' && <Until at={endsAt} />}
        </>
      )
    },
    {
      head: 'Exchanges',
      isNumber: true,
      cell: ({ id, taken }) => <a href={hrefOf('exchanges', { capture: id })}>{formatCount(taken)} – show</a>
    },
    { head: 'Size', isNumber: true, cell: ({ bytes }) => formatBytes(bytes) },
    {
      head: 'Download',
      cell: ({ id }) => (
        <a href={`captures/${encodeURIComponent(id)}.har`} download={`capture-${id}.har`}>
          HAR
        </a>
      )
    },
    {
      head: 'End',
      cell: ({ id }) => (
        <button type="button" onClick={() => remove(id)}>
          End and delete
        </button>
      )
    }
  ]
}
