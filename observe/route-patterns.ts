import type { GatewayConfig } from '../schemas/options/gateway.ts'
import { describeCalls, formatDuration, formatSize, type ServedRoute } from './served-routes.ts'

/** A pattern that a request to a route meets. */
export interface RoutePattern {
  name: string
  detail: string
}

const BODYLESS = new Set(['GET', 'HEAD', 'TRACE'])

/** Returns the patterns of a route in the order in which a request meets them: that of gateway.ts. */
export function patternsOf(route: ServedRoute, config: GatewayConfig): RoutePattern[] {
  const {
    scope: name,
    methods,
    version,
    isChosen,
    issuer,
    limits,
    calls,
    deadline,
    bodyLimit,
    validates
  } = route
  const scope = name === undefined ? undefined : config.scopes[name]
  const { cors, ipFilter, versions } = scope ?? {}
  const { deprecated, sunset } = (version !== undefined && versions?.[version]) || {}
  const ends = [deprecated && `deprecated ${deprecated}`, sunset && `sunset ${sunset}`].filter(Boolean)
  const limitBy = (by: string) => limits.filter(limit => limit.by === by).map(({ tier }) => tier)
  const hasBody = methods.some(method => !BODYLESS.has(method))

  const patterns: [name: string, detail: string | false | undefined][] = [
    ['deadline', deadline > 0 && formatDuration(deadline)],
    ['CORS', cors?.origins.join(' ')],
    ['load shedding', config.overload && scope && `priority ${scope.priority}`],
    ['IP filter', ipFilter && describeFilter(ipFilter)],
    ['address limit', limitBy('address').join(' ')],
    ['version', version && `${version}${isChosen ? ', chosen by the request' : ''}`],
    ['JWT', issuer],
    ['end of the version', ends.join(', ')],
    ['consumer limit', limitBy('consumer').join(' ')],
    ['body limit', hasBody && formatSize(bodyLimit)],
    ['validation', validates.join(', ')],
    [calls?.[0]?.pattern ?? 'handler', describeCalls(calls)]
  ]
  return patterns.flatMap(([name, detail]) => (detail ? [{ name, detail }] : []))
}

function describeFilter({ allow, deny }: { allow: string[]; deny: string[] }): string {
  const lists = [allow.length > 0 && `allow ${allow.join(' ')}`, deny.length > 0 && `deny ${deny.join(' ')}`]
  return lists.filter(Boolean).join(', ') || 'no ranges'
}
