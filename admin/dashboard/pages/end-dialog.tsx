import { useState } from 'preact/hooks'
import { useActionRecord } from '../components/applied-action.tsx'
import { Dialog } from '../components/dialog.tsx'
import { Facts } from '../components/facts.tsx'
import { ErrorText } from '../components/loaded.tsx'
import { Since, Until } from '../components/time.tsx'
import { operatorName } from '../operator-name.ts'
import { authorized } from '../store/session.ts'
import type { ShownAction } from '../types.ts'
import { nameOf, type Target } from './target.ts'

/** An action that holds now, and what it concerns. */
export interface Applied {
  target: Target
  action: ShownAction
}

interface Props {
  of: Applied
  onDone(message: string): void
  onClose(): void
}

/** Names the action and what ends with it, and asks before it is ended. */
export function EndDialog({ of: { target, action }, onDone, onClose }: Props) {
  const [error, setError] = useState<string>()
  const record = useActionRecord(action.id)
  const name = `${action.action} ${nameOf(target)}`

  async function end(): Promise<void> {
    try {
      await authorized('DELETE', `actions/${encodeURIComponent(action.id)}`)
      onDone(`Ended: ${name}.`)
      onClose()
    } catch (error) {
      setError((error as Error).message)
    }
  }

  return (
    <Dialog title="End the action" onClose={onClose}>
      <p>
        End <strong>{name}</strong> now in all workers? The gateway's own rules apply again.
      </p>
      <Facts
        of={[
          ['By', operatorName(action.by)],
          ['Reason', record === undefined ? '–' : (record.reason ?? 'none given')],
          ['Time', <Since at={record?.startedAt} />],
          ['Would end', <Until at={action.until} />]
        ]}
      />
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
