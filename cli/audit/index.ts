import type { AuditInput, Finding } from './finding.ts'
import { auditIdentity } from './identity.ts'
import { auditProcess } from './process.ts'
import { auditRouteOptions } from './route-options.ts'
import { auditScopes } from './scopes.ts'
import { auditSecrets } from './secrets.ts'
import { auditUpstreams } from './upstreams.ts'

export type { AuditInput, Finding }

/** Returns all findings, errors first. */
export async function audit(input: AuditInput): Promise<Finding[]> {
  const findings = [
    ...auditProcess(input),
    ...auditSecrets(input),
    ...auditUpstreams(input),
    ...auditScopes(input),
    ...auditRouteOptions(input),
    ...(await auditIdentity(input))
  ]
  return findings.sort(
    (one, other) => Number(one.severity === 'warning') - Number(other.severity === 'warning')
  )
}
