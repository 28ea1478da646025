import { formatDuration } from '../../observe/served-routes.ts'
import { DEFAULT_RETRY } from '../../proxy/retry.ts'
import type { UpstreamOptions } from '../../schemas/options/upstreams.ts'
import type { AuditInput, Finding } from './finding.ts'

/** Failures in a row. A breaker with a higher threshold hardly ever opens. */
const MAX_FAILURES = 100
const UNSAFE = ['POST', 'PATCH'] as const

/** Audits breakers, timeouts, retries and URLs of upstreams. */
export function auditUpstreams({ config, routes }: AuditInput): Finding[] {
  return Object.entries(config.upstreams).flatMap(([name, options]) => {
    const at = `/upstreams/${name}`
    const findings: Finding[] = []
    const { breaker, retry, url, endpoints = [] } = options

    if (breaker.failures > MAX_FAILURES && breaker.rate === undefined)
      findings.push({
        code: 'no-breaker',
        severity: 'warning',
        path: `${at}/breaker/failures`,
        why: `The breaker opens after ${breaker.failures} failures in a row: the gateway keeps calling a service that is down.`,
        fix: 'Use the default of 5 failures, or set breaker.rate.'
      })

    const deadlines = routes
      .filter(({ calls, deadline }) => deadline > 0 && calls?.some(({ upstream }) => upstream === name))
      .map(({ deadline }) => deadline)
    const shortest = Math.min(...deadlines)
    const { attempts, total } = timeoutsOf(options)
    if (total > shortest) {
      const isSingle = attempts === 1
      const what = isSingle ? 'An attempt' : `${attempts} attempts`
      const effect = isSingle ? 'the timeout has no effect' : 'the deadline aborts the last attempts'
      findings.push({
        code: 'attempts-beyond-deadline',
        severity: 'warning',
        path: isSingle ? `${at}/timeout` : `${at}/retry/attempts`,
        why: `${what} may take ${formatDuration(total)}, and a route has a deadline of ${formatDuration(shortest)}: ${effect}.`,
        fix: `Shorten timeout, ${isSingle ? '' : 'reduce retry.attempts, '}or extend the route's deadline.`
      })
    }

    const unsafe = UNSAFE.filter(method => retry?.methods.includes(method))
    if (unsafe.length > 0)
      findings.push({
        code: 'retry-unsafe',
        severity: 'warning',
        path: `${at}/retry/methods`,
        why: `${unsafe.join(' and ')} may be sent twice, and take effect twice.`,
        fix: 'Retry them only if the service recognizes repeated requests, for example by Idempotency-Key.'
      })

    const urls: [string, string | undefined][] = [
      [`${at}/url`, url],
      ...endpoints.map((one, i): [string, string] => [`${at}/endpoints/${i}/url`, one.url])
    ]
    for (const [path, one] of urls)
      if (one !== undefined && URL.canParse(one) && new URL(one).username + new URL(one).password !== '')
        findings.push({
          code: 'url-credentials',
          severity: 'warning',
          path,
          why: "User and password in an upstream's URL are not sent to the service.",
          fix: "Set an Authorization header in the route's edit, or in its transformation."
        })
    return findings
  })
}

/** Returns how often a call that times out is attempted, and the total in milliseconds; 0 without a timeout. */
export function timeoutsOf({ retry = DEFAULT_RETRY, timeout }: UpstreamOptions): {
  attempts: number
  total: number
} {
  const attempts = retry.on.includes('timeout') ? retry.attempts + 1 : 1
  return { attempts, total: timeout * attempts }
}
