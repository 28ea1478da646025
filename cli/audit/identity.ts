import { type AuditInput, type Finding, routePath } from './finding.ts'

const FORGED = 'sluice-check'
/** Routes to test at most. */
const MAX_ROUTES = 500

/**
 * Finds public routes that pass identity headers of the client to a service: sends each route a request with forged
 * headers, and looks at the calls. Routes that reject this generic request are not tested.
 */
export async function auditIdentity({ routes, dryRun }: AuditInput): Promise<Finding[]> {
  const findings: Finding[] = []
  const publicRoutes = routes.filter(
    ({ issuer, calls, isChosen }) => issuer === undefined && calls !== undefined && !isChosen
  )
  for (const [i, route] of publicRoutes.slice(0, MAX_ROUTES).entries()) {
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
    // A different address per request avoids rate limits.
    const { calls } = await dryRun.send(message, `127.1.${i >> 8}.${i & 255}`)
    const [passed] = calls.flatMap(({ headers }) =>
      Object.entries(headers).filter(
        ([name, value]) => /^x[-_]user/i.test(name) && String(value).includes(FORGED)
      )
    )
    if (passed === undefined) continue
    findings.push({
      code: 'identity-from-client',
      severity: 'error',
      path: routePath(route),
      why: `The route is public and sends the client's own ${passed[0]} to the service, which trusts it.`,
      fix: 'Remove the header from the transformation, or set jwt for the scope.'
    })
  }
  return findings
}
