import { type Finding, routePath, type Subject } from './finding.ts'

const FORGED = 'sluice-check'
/** Routes that are tried. */
const MAX_ROUTES = 500

/**
 * Whether a public route passes on who a client says that it is: each is sent a request with forged identity headers,
 * and what would reach the service is looked at. One that the request made up here does not get through says nothing.
 */
export async function auditIdentity({ routes, rehearsal }: Subject): Promise<Finding[]> {
  const findings: Finding[] = []
  const open = routes.filter(
    ({ issuer, calls, isChosen }) => issuer === undefined && calls !== undefined && !isChosen
  )
  for (const [i, route] of open.slice(0, MAX_ROUTES).entries()) {
    const { methods, path } = route
    const url = path.replace(/:(\w+)(\([^)]*\))?\??/g, '1').replace('*', '1')
    const hasBody = methods[0] === 'POST' || methods[0] === 'PUT' || methods[0] === 'PATCH'
    const lines = [
      `${methods[0]} ${url} HTTP/1.1`,
      'Host: localhost',
      `X-User-Id: ${FORGED}`,
      `X-User-Roles: ${FORGED}`,
      `X-User-Tier: ${FORGED}`,
      ...(hasBody ? ['Content-Type: application/json', 'Content-Length: 2'] : [])
    ]
    const message = Buffer.from(`${lines.join('\r\n')}\r\n\r\n${hasBody ? '{}' : ''}`)
    // Each from an address of its own, so that no limit is met.
    const { calls } = await rehearsal.send(message, `127.1.${i >> 8}.${i & 255}`)
    const passed = calls.flatMap(({ headers }) =>
      Object.entries(headers).filter(
        ([name, value]) => /^x[-_]user/i.test(name) && String(value).includes(FORGED)
      )
    )
    if (passed.length === 0) continue
    findings.push({
      code: 'identity-from-client',
      severity: 'error',
      path: routePath(route),
      why: `It asks for no token, and passes a client's own ${passed[0]?.[0]} on to the service, which believes it.`,
      mend: 'Take the header out of its transformation, or give its scope jwt.'
    })
  }
  return findings
}
