import { signal } from '@preact/signals'
import { useState } from 'preact/hooks'
import { Dialog } from '../components/dialog.tsx'
import { ErrorText } from '../components/loaded.tsx'
import { formatDuration } from '../format.ts'
import { authorized } from '../store/session.ts'

/** Changes when a capture was started or ended, so that the list is loaded again. */
export const captureChanges = signal(0)

const MINUTES = [1, 5, 15, 60]

interface Props {
  label: string
  /** Initial values of the fields. */
  consumer?: string | undefined
  route?: string | undefined
}

/** A button that asks for a capture and starts it. */
export function StartCapture({ label, consumer, route }: Props) {
  const [isOpen, setOpen] = useState(false)
  const [done, setDone] = useState('')
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        {label} …
      </button>
      <span role="status">{done}</span>
      {isOpen && (
        <StartDialog
          consumer={consumer}
          route={route}
          onDone={() => {
            setDone('The capture has started: see the list of captures on the page Exchanges.')
            captureChanges.value++
            setOpen(false)
          }}
          onClose={() => setOpen(false)}
        />
      )}
    </>
  )
}

interface DialogProps extends Omit<Props, 'label'> {
  onDone(): void
  onClose(): void
}

function StartDialog({ consumer = '', route = '', onDone, onClose }: DialogProps) {
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
      onDone()
    } catch (error) {
      setError((error as Error).message)
    }
  }

  return (
    <Dialog title="Start a capture" onClose={onClose}>
      <form onSubmit={submit}>
        <label>
          Consumer
          <input name="consumer" defaultValue={consumer} />
        </label>
        <label>
          Route, such as /api/orders/:id
          <input name="route" defaultValue={route} />
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
