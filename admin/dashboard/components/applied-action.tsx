import { operatorName } from '../operator-name.ts'
import { useTopic } from '../store/live.ts'
import type { ActionRecord, ShownAction } from '../types.ts'
import { Until } from './time.tsx'

/** Returns the record of an action, which has its reason and start; undefined until it is known. */
export function useActionRecord(id: string): ActionRecord | undefined {
  return useTopic<ActionRecord[]>('actions').data?.find(record => record.id === id)
}

/** An action that holds now, beside what it concerns: who, until when, why. */
export function AppliedAction({ of: { id, action, until, by } }: { of: ShownAction }) {
  const reason = useActionRecord(id)?.reason
  return (
    <span class="applied">
      {' '}
      “{action}” by {operatorName(by)} <Until at={until} />
      {reason !== undefined && <>, reason: {reason}</>}
    </span>
  )
}
