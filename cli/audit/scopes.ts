import type { RouteCall } from '../../observe/route-metadata.ts'
import { formatDuration, formatSize, type ServedRoute } from '../../observe/served-routes.ts'
import { isTrustedUrl } from '../../schemas/options/url.ts'
import { type AuditInput, type Finding, routePath } from './finding.ts'
import { MAX_BODY } from './process.ts'
import { timeoutsOf } from './upstreams.ts'

/** Audits authentication, limits and deadlines of routes, and options of scopes. */
export function auditScopes(input: AuditInput): Finding[] {
  return [
    ...input.routes.flatMap(route => [...auditRoute(route), ...auditParts(route, input)]),
    ...auditPublicScopes(input),
    ...auditWildcards(input),
    ...auditOptions(input)
  ]
}

function auditRoute(route: ServedRoute): Finding[] {
  const { deadline, calls, bodyLimit, methods } = route
  const findings: Finding[] = []
  const path = routePath(route)

  if (deadline === 0 && calls?.some(({ pattern }) => pattern === 'transform' || pattern === 'compose'))
    findings.push({
      code: 'no-deadline',
      severity: 'warning',
      path,
      why: 'The route has no deadline and does not stream: if a service hangs, clients wait for minutes.',
      fix: 'Remove deadline from its config, or set a longer one.'
    })
  const isBuffered = calls === undefined || calls.some(({ pattern }) => pattern === 'transform')
  const hasBodies = methods.some(method => ['POST', 'PUT', 'PATCH'].includes(method))
  if (isBuffered && hasBodies && bodyLimit > MAX_BODY)
    findings.push({
      code: 'body-limit-large',
      severity: 'warning',
      path,
      why: `The route buffers bodies of up to ${formatSize(bodyLimit)} for each client.`,
      fix: 'Lower its bodyLimit, or use forward, which streams bodies.'
    })
  return findings
}

function auditParts(route: ServedRoute, { config }: AuditInput): Finding[] {
  const { calls = [], deadline } = route
  if (deadline === 0) return []
  return calls
    .filter(({ pattern }) => pattern === 'compose')
    .flatMap(({ part, upstream, required, timeout }: RouteCall): Finding[] => {
      const path = `${routePath(route)} ${part}`
      if (timeout !== undefined && timeout >= deadline)
        return [
          {
            code: 'part-beyond-deadline',
            severity: 'warning',
            path,
            why: `The part's timeout of ${formatDuration(timeout)} has no effect: the route's deadline is ${formatDuration(deadline)}.`,
            fix: "Shorten the part's timeout, or extend the route's deadline."
          }
        ]
      const options = config.upstreams[upstream]
      const longest = timeout ?? (options ? timeoutsOf(options).total : 0)
      if (required || (longest > 0 && longest < deadline)) return []
      return [
        {
          code: 'part-without-timeout',
          severity: 'warning',
          path,
          why: `The part is optional and has no timeout: if ${upstream} hangs, the route responds with 504 after ${formatDuration(deadline)}.`,
          fix: "Set a timeout for the part that is much shorter than the route's deadline."
        }
      ]
    })
}

function auditPublicScopes({ routes }: AuditInput): Finding[] {
  const unlimited = routes.filter(({ issuer, limits }) => issuer === undefined && limits.length === 0)
  const scopes = new Set(unlimited.map(({ scope }) => scope))
  return [...scopes].map(scope => ({
    code: 'public-without-limit',
    severity: 'warning',
    path: `/scopes/${scope}/rateLimit`,
    why: 'The scope is public and has no rate limit.',
    fix: 'Limit it by address: rateLimit: { address: TIER }.'
  }))
}

/** Finds public wildcards that also match paths below an authenticated scope which that scope does not serve. */
function auditWildcards({ routes }: AuditInput): Finding[] {
  const authenticated = routes.filter(({ issuer }) => issuer !== undefined)
  return routes
    .filter(({ issuer, path, calls }) => issuer === undefined && path.endsWith('/*') && calls !== undefined)
    .flatMap(route => {
      const { path, calls = [], methods } = route
      const below = authenticated.find(
        other =>
          other.path.startsWith(path.slice(0, -1)) &&
          other.calls?.some(({ upstream }) => calls.some(call => call.upstream === upstream))
      )
      if (below === undefined) return []
      const requests = `${methods.join(', ')} under ${path.slice(0, -2) || '/'}`
      return [
        {
          code: 'public-over-private',
          severity: 'error' as const,
          path: routePath(route),
          why: `The wildcard sends requests that scope ${below.scope} does not serve (${requests}) to the same upstream without authentication.`,
          fix: `List its paths, or use a prefix that does not contain ${below.path}.`
        }
      ]
    })
}

function auditOptions({ config, now }: AuditInput): Finding[] {
  return Object.entries(config.scopes).flatMap(([name, { cors, versions = {}, version }]) => {
    const at = `/scopes/${name}`
    const findings: Finding[] = []
    cors?.origins.forEach((origin, i) => {
      if (cors.credentials && origin !== '*' && !isTrustedUrl(origin))
        findings.push({
          code: 'cors-insecure-origin',
          severity: 'warning',
          path: `${at}/cors/origins/${i}`,
          why: `Pages of ${origin} may use their users' credentials, and anybody on the network can forge such a page.`,
          fix: 'Allow only https:// origins.'
        })
    })
    for (const [one, { sunset, deprecated }] of Object.entries(versions)) {
      if (sunset !== undefined && Date.parse(sunset) <= now)
        findings.push({
          code: 'sunset-past',
          severity: 'warning',
          path: `${at}/versions/${one}/sunset`,
          why: `The version ended on ${sunset}: all calls get 410.`,
          fix: 'Remove the version when nobody calls it (see sluice tail, or /versions of the admin API).'
        })
      if (version?.default === one && (deprecated !== undefined || sunset !== undefined))
        findings.push({
          code: 'default-version-ends',
          severity: 'warning',
          path: `${at}/version/default`,
          why: `Requests without a version get ${one}, which is deprecated or has a sunset.`,
          fix: 'Use a default version without an end.'
        })
    }
    return findings
  })
}
