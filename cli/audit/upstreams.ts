import { UNASKED } from '../../proxy/retry.ts'
import type { UpstreamOptions } from '../../schemas/options/upstreams.ts'
import { duration } from '../table.ts'
import type { Finding, Subject } from './finding.ts'

/** Failures in a row: a breaker that waits for more is none. */
const MAX_FAILURES = 100
const UNSAFE = ['POST', 'PATCH'] as const

/** How services are called. */
export function auditUpstreams({ config, routes }: Subject): Finding[] {
  return Object.entries(config.upstreams).flatMap(([name, options]) => {
    const at = `/upstreams/${name}`
    const findings: Finding[] = []
    const { breaker, retry, url, endpoints = [] } = options

    if (breaker.failures > MAX_FAILURES && breaker.rate === undefined)
      findings.push({
        code: 'no-breaker',
        severity: 'warning',
        path: `${at}/breaker/failures`,
        why: `The breaker opens after ${breaker.failures} failures in a row: a service that is down goes on being called.`,
        mend: 'Leave failures at its default of 5, or open by breaker.rate too.'
      })

    const deadlines = routes
      .filter(({ calls, deadline }) => deadline > 0 && calls?.some(({ upstream }) => upstream === name))
      .map(({ deadline }) => deadline)
    const shortest = Math.min(...deadlines)
    const [tries, longest] = triesOf(options)
    if (longest > shortest)
      findings.push({
        code: 'tries-beyond-deadline',
        severity: 'warning',
        path: tries === 1 ? `${at}/timeout` : `${at}/retry/attempts`,
        why: `${tries === 1 ? 'A try' : `${tries} tries`} may take ${duration(longest)}, beyond the deadline of ${duration(shortest)} of a route that calls it: ${tries === 1 ? 'the timeout never comes' : 'the last of them are cut'}.`,
        mend: `Shorten timeout, ${tries === 1 ? '' : 'try less often, '}or give the route a longer deadline.`
      })

    const unsafe = UNSAFE.filter(method => retry?.methods.includes(method))
    if (unsafe.length > 0)
      findings.push({
        code: 'retry-unsafe',
        severity: 'warning',
        path: `${at}/retry/methods`,
        why: `${unsafe.join(' and ')} may be sent twice: what they do may be done twice.`,
        mend: 'Retry them only if the service knows a repeated one, as by an Idempotency-Key.'
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
          why: 'A user or password in the URL of an upstream is not sent: the service does not see it.',
          mend: "Set an Authorization header in the route's edit, or in its transformation."
        })
    return findings
  })
}

/** How often a call that times out is made, and the milliseconds that this may take; 0 without a timeout. */
export function triesOf({ retry = UNASKED, timeout }: UpstreamOptions): [tries: number, longest: number] {
  const tries = retry.on.includes('timeout') ? retry.attempts + 1 : 1
  return [tries, timeout * tries]
}
