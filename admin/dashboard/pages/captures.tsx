import { useState } from 'preact/hooks'
import { Dialog } from '../components/dialog.tsx'
import { ErrorText, Loaded } from '../components/loaded.tsx'
import { type Column, Table } from '../components/table.tsx'
import { Until } from '../components/time.tsx'
import { formatBytes, formatCount, formatDuration } from '../format.ts'
import { usePath } from '../store/live.ts'
import { query } from '../store/location.ts'
import { authorized } from '../store/session.ts'
import type { Capture } from '../types.ts'

/** Captures keep whole bodies of the exchanges that match, for a while. */
export function Captures() {
  const [isOpen, setOpen] = useState(false)
  const [changes, setChanges] = useState(0)
  const [error, setError] = useState<string>()

  async function remove(id: string): Promise<void> {
    try {
      await authorized('DELETE', `captures/${encodeURIComponent(id)}`)
      setError(undefined)
    } catch (error) {
      setError((error as Error).message)
    }
    setChanges(changes + 1)
  }

  return (
    <section aria-labelledby="captures">
      <h2 id="captures">Captures</h2>
      <p class="buttons">
        <button type="button" onClick={() => setOpen(true)}>
          Start a capture …
        </button>
        <span class="muted">A capture keeps whole bodies of the exchanges of a consumer or a route.</span>
      </p>
      {error !== undefined && <ErrorText>{error}</ErrorText>}
      <Loaded of={usePath<Capture[]>('captures', 5_000, changes)}>
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
      {isOpen && (
        <StartDialog
          onClose={() => {
            setOpen(false)
            setChanges(changes + 1)
          }}
        />
      )}
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
    { head: 'Exchanges', isNumber: true, cell: ({ taken }) => formatCount(taken) },
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

const MINUTES = [1, 5, 15, 60]

function StartDialog({ onClose }: { onClose(): void }) {
  const [error, setError] = useState<string>()

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    const textOf = (name: string) => String(form.get(name)).trim() || undefined
    try {
      await authorized('POST', 'captures', {
        consumer: textOf('consumer'),
        route: textOf('route'),
        ttl: Number(form.get('minutes')) * 60_000,
        count: Number(form.get('count')),
        ...(form.get('upstream') !== null && { upstream: true })
      })
      onClose()
    } catch (error) {
      setError((error as Error).message)
    }
  }

  return (
    <Dialog title="Start a capture" onClose={onClose}>
      <form onSubmit={submit}>
        <label>
          Consumer
          <input name="consumer" defaultValue={query.value.get('consumer') ?? ''} />
        </label>
        <label>
          Route, such as /api/orders/:id
          <input name="route" defaultValue={query.value.get('route') ?? ''} />
        </label>
        <label>
          Ends after
          <select name="minutes" defaultValue="5">
            {MINUTES.map(minutes => (
              <option key={minutes} value={minutes}>
                {formatDuration(minutes * 60_000)}
              </option>
            ))}
          </select>
        </label>
        <label>
          Exchanges, in each worker
          <input name="count" type="number" min="1" max="1000" defaultValue="100" required />
        </label>
        <label>
          <input name="upstream" type="checkbox" /> Also what is sent to services, and their responses
        </label>
        {error !== undefined && <ErrorText>{error}</ErrorText>}
        <p class="buttons">
          <button type="submit">Start</button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        </p>
      </form>
    </Dialog>
  )
}
