import { useState } from 'preact/hooks'
import { Dialog } from '../components/dialog.tsx'
import { ErrorText } from '../components/loaded.tsx'
import { authorized } from '../store/session.ts'

interface Props {
  onDone(message: string): void
  onClose(): void
}

/** Asks before a reload. A failed one changes nothing, and its reason is shown. */
export function ReloadDialog({ onDone, onClose }: Props) {
  const [error, setError] = useState<string>()
  const [isReloading, setIsReloading] = useState(false)

  async function reload(): Promise<void> {
    setIsReloading(true)
    setError(undefined)
    try {
      await authorized('POST', 'reload')
      onDone('The config was reloaded.')
      onClose()
    } catch (error) {
      setError((error as Error).message)
      setIsReloading(false)
    }
  }

  return (
    <Dialog title="Reload the config" onClose={onClose}>
      <p>New workers load the files again and replace the present ones, which finish their requests.</p>
      {isReloading && <p role="status">Reloading …</p>}
      {error !== undefined && <ErrorText>{error}</ErrorText>}
      <p class="buttons">
        <button type="button" disabled={isReloading} onClick={reload}>
          Confirm: reload
        </button>
        <button type="button" onClick={onClose}>
          Cancel
        </button>
      </p>
    </Dialog>
  )
}
