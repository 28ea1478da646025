import { useState } from 'preact/hooks'
import { Dialog } from '../components/dialog.tsx'
import { ErrorText } from '../components/loaded.tsx'
import { authorized } from '../store/session.ts'

interface Props {
  /** Id of the action. */
  id: string
  onDone(message: string): void
  onClose(): void
}

/** Asks before an action is ended. */
export function EndDialog({ id, onDone, onClose }: Props) {
  const [error, setError] = useState<string>()

  async function end(): Promise<void> {
    try {
      await authorized('DELETE', `actions/${encodeURIComponent(id)}`)
      onDone('The action has ended.')
      onClose()
    } catch (error) {
      setError((error as Error).message)
    }
  }

  return (
    <Dialog title="End the action" onClose={onClose}>
      <p>End it now in all workers? The gateway's own rules apply again.</p>
      {error !== undefined && <ErrorText>{error}</ErrorText>}
      <p class="buttons">
        <button type="button" onClick={end}>
          Confirm: end
        </button>
        <button type="button" onClick={onClose}>
          Cancel
        </button>
      </p>
    </Dialog>
  )
}
