import Type from 'typebox'
import { createProblem } from '../http/problem.ts'

/** ISO instant until which a change by an operator holds. */
export const Until = Type.String({ format: 'date-time', maxLength: 40 })

const InvalidUntil = createProblem(
  'SLUICE_INVALID_UNTIL',
  'until must be in the future, and within 7 days',
  400
)

/** Milliseconds. A change that is needed for longer belongs into the config. */
const LONGEST = 7 * 24 * 3_600_000

/**
 * Returns epoch milliseconds.
 * @throws SLUICE_INVALID_UNTIL (400)
 */
export function parseUntil(until: string): number {
  const time = Date.parse(until)
  const left = time - Date.now()
  if (!(left > 0 && left <= LONGEST)) throw new InvalidUntil()
  return time
}
