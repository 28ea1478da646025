import type { Summary } from '../types.ts'
import { Badge, type Severity } from './badge.tsx'

/** Status of the response that the client got. */
export function ExchangeStatus({
  of: { status, abortReason }
}: {
  of: Pick<Summary, 'status' | 'abortReason'>
}) {
  if (abortReason !== undefined) return <Badge severity="critical">aborted</Badge>
  return <Badge severity={severityOf(status)}>{status === 0 ? 'no response' : status}</Badge>
}

function severityOf(status: number): Severity {
  if (status === 0 || status >= 500) return 'critical'
  return status >= 400 ? 'warning' : 'ok'
}
