import { useState } from 'preact/hooks'
import { Dialog } from '../components/dialog.tsx'
import { ErrorText } from '../components/loaded.tsx'
import { Until } from '../components/time.tsx'
import { formatDuration } from '../format.ts'
import { authorized } from '../store/session.ts'
import type { ActionName } from '../types.ts'
import { nameOf, type Target } from './target.ts'

interface Chosen {
  action: ActionName
  /** Epoch ms; undefined for `reset`, which acts once. */
  until: number | undefined
  reason: string
}

interface Props {
  target: Target
  onDone(message: string): void
  onClose(): void
}

const ENDPOINT_ACTIONS: [ActionName, string][] = [
  ['drain', 'Drain: no new calls; calls in flight end normally'],
  ['eject', 'Eject: no new calls; calls in flight end now and are retried elsewhere']
]
const BREAKER_ACTIONS: [ActionName, string][] = [
  ['open', 'Open: reject all calls, without a try in between'],
  ['reset', 'Reset: close it now and forget the failures']
]
const MINUTES = [5, 15, 30, 60, 240, 1_440]

/** Asks for an action, then asks again before it is sent. */
export function ActionDialog({ target, onDone, onClose }: Props) {
  const [chosen, setChosen] = useState<Chosen>()
  const { endpoint } = target
  const name = nameOf(target)
  return (
    <Dialog title={chosen ? 'Confirm' : `Act on ${name}`} onClose={onClose}>
      {chosen === undefined ? (
        <Choose
          of={endpoint === undefined ? BREAKER_ACTIONS : ENDPOINT_ACTIONS}
          onChoose={setChosen}
          onCancel={onClose}
        />
      ) : (
        <Confirm
          target={target}
          name={name}
          chosen={chosen}
          onBack={() => setChosen(undefined)}
          onDone={message => {
            onDone(message)
            onClose()
          }}
        />
      )}
    </Dialog>
  )
}

interface ChooseProps {
  of: [ActionName, string][]
  onChoose(chosen: Chosen): void
  onCancel(): void
}

function Choose({ of: actions, onChoose, onCancel }: ChooseProps) {
  const [action, setAction] = useState<ActionName>()

  function submit(event: SubmitEvent): void {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    const minutes = Number(form.get('minutes'))
    onChoose({
      action: form.get('action') as ActionName,
      until: minutes > 0 ? Date.now() + minutes * 60_000 : undefined,
      reason: String(form.get('reason')).trim()
    })
  }

  return (
    <form onSubmit={submit}>
      <fieldset>
        <legend>Action, in all workers</legend>
        {actions.map(([name, text]) => (
          <label key={name}>
            <input type="radio" name="action" value={name} required onChange={() => setAction(name)} /> {text}
          </label>
        ))}
      </fieldset>
      {action !== 'reset' && (
        <label>
          Ends after
          <select name="minutes" required>
            <option value="">Choose a time</option>
            {MINUTES.map(minutes => (
              <option key={minutes} value={minutes}>
                {formatDuration(minutes * 60_000)}
              </option>
            ))}
          </select>
        </label>
      )}
      <label>
        Reason, for the log (optional)
        <input name="reason" maxLength={200} />
      </label>
      <p class="buttons">
        <button type="submit">Next</button>
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
      </p>
    </form>
  )
}

interface ConfirmProps {
  target: Target
  name: string
  chosen: Chosen
  onBack(): void
  onDone(message: string): void
}

function Confirm({ target, name, chosen: { action, until, reason }, onBack, onDone }: ConfirmProps) {
  const [error, setError] = useState<string>()
  const [isBusy, setBusy] = useState(false)
  const title = `${action} ${name}`

  async function send(): Promise<void> {
    setBusy(true)
    try {
      await authorized('POST', 'actions', {
        ...target,
        action,
        ...(until !== undefined && { until: new Date(until).toISOString() }),
        ...(reason && { reason })
      })
      onDone(`Done: ${title}.`)
    } catch (error) {
      setError((error as Error).message)
      setBusy(false)
    }
  }

  return (
    <>
      <p>
        <strong>{title}</strong> in all workers <Until at={until} />?
      </p>
      <p class="muted">It is kept over a reload and gone after a restart. The log names who did it.</p>
      {reason && <p>Reason: {reason}</p>}
      {error !== undefined && <ErrorText>{error}</ErrorText>}
      <p class="buttons">
        <button type="button" disabled={isBusy} onClick={send}>
          Confirm: {action}
        </button>
        <button type="button" onClick={onBack}>
          Back
        </button>
      </p>
    </>
  )
}
