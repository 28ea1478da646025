import type { Finding, Subject } from './finding.ts'
import { auditIdentity } from './identity.ts'
import { auditProcess } from './process.ts'
import { auditRouteOptions } from './route-options.ts'
import { auditScopes } from './scopes.ts'
import { auditSecrets } from './secrets.ts'
import { auditUpstreams } from './upstreams.ts'

export type { Finding, Subject }

/** Everything that is found, errors first. */
export async function audit(subject: Subject): Promise<Finding[]> {
  const findings = [
    ...auditProcess(subject),
    ...auditSecrets(subject),
    ...auditUpstreams(subject),
    ...auditScopes(subject),
    ...auditRouteOptions(subject),
    ...(await auditIdentity(subject))
  ]
  return findings.sort(
    (one, other) => Number(one.severity === 'warning') - Number(other.severity === 'warning')
  )
}
