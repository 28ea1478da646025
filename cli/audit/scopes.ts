import type { RouteCall } from '../../observe/route-metadata.ts'
import { isTrustedUrl } from '../../schemas/options/url.ts'
import { duration, type ServedRoute, size } from '../table.ts'
import { type Finding, routePath, type Subject } from './finding.ts'
import { MAX_BODY } from './process.ts'
import { triesOf } from './upstreams.ts'

/** Who may call what, how often, and how long it may take. */
export function auditScopes(subject: Subject): Finding[] {
  return [
    ...subject.routes.flatMap(route => [...auditRoute(route), ...auditParts(route, subject)]),
    ...auditPublic(subject),
    ...auditShadows(subject),
    ...auditOptions(subject)
  ]
}

function auditRoute(route: ServedRoute): Finding[] {
  const { limits, issuer, deadline, calls, bodyLimit, methods } = route
  const findings: Finding[] = []
  const path = routePath(route)
  const reads = calls === undefined || calls.some(({ pattern }) => pattern === 'transform')

  if (issuer === undefined && limits.some(({ by }) => by === 'consumer'))
    findings.push({
      code: 'consumer-limit-public',
      severity: 'error',
      path,
      why: 'It is limited by consumer, and no token says who that is: every request fails.',
      mend: 'Give its scope jwt, or limit it by address.'
    })
  if (deadline === 0 && calls?.some(({ pattern }) => pattern === 'transform' || pattern === 'compose'))
    findings.push({
      code: 'no-deadline',
      severity: 'warning',
      path,
      why: 'It has no deadline, and is no stream: a service that hangs keeps its clients waiting for minutes.',
      mend: 'Leave deadline out of its config, or let it be longer.'
    })
  const takesBodies = methods.some(method => ['POST', 'PUT', 'PATCH'].includes(method))
  if (reads && takesBodies && bodyLimit > MAX_BODY)
    findings.push({
      code: 'body-limit-large',
      severity: 'warning',
      path,
      why: `Bodies of up to ${size(bodyLimit)} are read into memory, for as many clients as send one.`,
      mend: 'Lower its bodyLimit, or forward: then bodies stream.'
    })
  return findings
}

function auditParts(route: ServedRoute, { config }: Subject): Finding[] {
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
            why: `The part may take ${duration(timeout)}, and the whole answer ${duration(deadline)}: its timeout never comes.`,
            mend: "Shorten the part's timeout, or give the route a longer deadline."
          }
        ]
      const options = config.upstreams[upstream]
      const own = timeout ?? (options ? triesOf(options)[1] : 0)
      if (required || (own > 0 && own < deadline)) return []
      return [
        {
          code: 'part-without-timeout',
          severity: 'warning',
          path,
          why: `The part is optional, but nothing bounds it: if ${upstream} hangs, the whole answer is a 504 after ${duration(deadline)}.`,
          mend: "Give the part a timeout well below the route's deadline."
        }
      ]
    })
}

function auditPublic({ routes }: Subject): Finding[] {
  const open = routes.filter(({ issuer, limits }) => issuer === undefined && limits.length === 0)
  const scopes = new Set(open.map(({ scope }) => scope))
  return [...scopes].map(scope => ({
    code: 'public-without-limit',
    severity: 'warning',
    path: `/scopes/${scope}/rateLimit`,
    why: 'Anybody may call it, as often as they like.',
    mend: 'Limit it by address: rateLimit: { address: TIER }.'
  }))
}

/** What a public wildcard also answers: paths under a scope that asks for a token, which that scope does not have. */
function auditShadows({ routes }: Subject): Finding[] {
  const guarded = routes.filter(({ issuer }) => issuer !== undefined)
  return routes
    .filter(({ issuer, path, calls }) => issuer === undefined && path.endsWith('/*') && calls !== undefined)
    .flatMap(route => {
      const { path, calls = [], methods } = route
      const beyond = guarded.find(
        other =>
          other.path.startsWith(path.slice(0, -1)) &&
          other.calls?.some(({ upstream }) => calls.some(call => call.upstream === upstream))
      )
      if (beyond === undefined) return []
      return [
        {
          code: 'public-over-private',
          severity: 'error' as const,
          path: routePath(route),
          why: `It takes what scope ${beyond.scope} does not (${methods.join(', ')} under ${path.slice(0, -2) || '/'}), without a token, to the same upstream.`,
          mend: `Name its paths one by one, or give it a prefix that ${beyond.path} is not under.`
        }
      ]
    })
}

function auditOptions({ config, now }: Subject): Finding[] {
  return Object.entries(config.scopes).flatMap(([name, { cors, versions = {}, version }]) => {
    const at = `/scopes/${name}`
    const findings: Finding[] = []
    cors?.origins.forEach((origin, i) => {
      if (cors.credentials && origin !== '*' && !isTrustedUrl(origin))
        findings.push({
          code: 'cors-plain-origin',
          severity: 'warning',
          path: `${at}/cors/origins/${i}`,
          why: `Pages of ${origin} may use their users' credentials, and whoever is on the way can write such a page.`,
          mend: 'Allow https:// origins only.'
        })
    })
    for (const [one, { sunset, deprecated }] of Object.entries(versions)) {
      if (sunset !== undefined && Date.parse(sunset) <= now)
        findings.push({
          code: 'sunset-past',
          severity: 'warning',
          path: `${at}/versions/${one}/sunset`,
          why: `The version ended on ${sunset}: every call is answered 410.`,
          mend: 'Take the version out, once nobody calls it (sluice tail, or /versions of the admin side).'
        })
      if (version?.default === one && (deprecated !== undefined || sunset !== undefined))
        findings.push({
          code: 'default-version-ends',
          severity: 'warning',
          path: `${at}/version/default`,
          why: `Who asks for no version gets ${one}, which is to end.`,
          mend: 'Let the default be a version that stays.'
        })
    }
    return findings
  })
}
