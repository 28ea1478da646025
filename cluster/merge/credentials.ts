import type { IssuerState } from '../../auth/issuers.ts'
import type { CertificateState } from '../../http/certificate-state.ts'
import type { Credentials } from '../../observe/credentials.ts'

export interface MergedCredentials {
  certificates: CertificateState[]
  /** `workers`: by the state that they report; only present if they differ. */
  issuers: (IssuerState & { workers?: Record<string, number[]> })[]
}

/** From best to worst. */
const STATES: IssuerState['state'][] = ['unused', 'ok', 'stale', 'unavailable']

/** Merges the credentials of all workers: each certificate in use once, and each issuer in its worst state. */
export function mergeCredentials(seen: { worker: number; credentials: Credentials }[]): MergedCredentials {
  const certificates = new Map(
    seen
      .flatMap(({ credentials }) => credentials.certificates)
      .map(certificate => [`${certificate.usedBy} ${certificate.fingerprint}`, certificate])
  )
  const issuers = Map.groupBy(
    seen.flatMap(({ worker, credentials }) => credentials.issuers.map(issuer => ({ worker, issuer }))),
    ({ issuer }) => `${issuer.name} ${issuer.url}`
  )
  return {
    certificates: [...certificates.values()],
    issuers: [...issuers.values()].map(states => {
      const sorted = states.toSorted(
        (a, b) => STATES.indexOf(b.issuer.state) - STATES.indexOf(a.issuer.state)
      )
      const byState = Map.groupBy(states, ({ issuer }) => issuer.state)
      const ids = [...byState].map(([state, of]) => [state, of.map(({ worker }) => worker)])
      return {
        ...(sorted[0] as { issuer: IssuerState }).issuer,
        ...(ids.length > 1 && { workers: Object.fromEntries(ids) })
      }
    })
  }
}
