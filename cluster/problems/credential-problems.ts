import type { MergedCredentials } from '../merge/credentials.ts'
import type { Problem } from './problem.ts'

const DAY = 24 * 3_600_000
/** Milliseconds before the end of a certificate: a problem, and a critical one. */
const EXPIRES_SOON = 14 * DAY
const EXPIRES_NOW = 2 * DAY

/** Problems of certificates and of issuers. */
export function* credentialProblems(
  { issuers, certificates }: MergedCredentials,
  now: number
): Generator<Problem> {
  for (const { name, url, state, lastError, failingSince } of issuers)
    if (state === 'stale' || state === 'unavailable')
      yield {
        kind: 'issuer-unavailable',
        severity: state === 'unavailable' ? 'critical' : 'warning',
        subject: name,
        message: `The keys of issuer ${url} cannot be fetched (${lastError}), so ${
          state === 'stale'
            ? 'those of the last fetch are used; restore the issuer before they are too old.'
            : 'requests with its tokens get 503; check the issuer and the way to it.'
        }`,
        since: failingSince ?? null,
        page: 'deploys'
      }
  for (const { usedBy, subject, expiresAt } of certificates) {
    const left = Date.parse(expiresAt) - now
    if (left > EXPIRES_SOON) continue
    const days = Math.floor(left / DAY)
    const when = left <= 0 ? 'has expired' : days < 1 ? 'expires within a day' : `expires in ${days} days`
    yield {
      kind: 'certificate-expires',
      severity: left <= EXPIRES_NOW ? 'critical' : 'warning',
      subject: `${usedBy} ${subject}`,
      message: `The certificate of ${usedBy} for ${subject} ${when}, at ${expiresAt}; renew it.`,
      since: left <= 0 ? expiresAt : null,
      page: 'deploys'
    }
  }
}
