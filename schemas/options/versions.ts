import Type from 'typebox'
import { isInstant } from './dates.ts'
import { withDefault } from './defaults.ts'
import { RoutesPlugin } from './routes.ts'
import { Url } from './url.ts'

/** ISO 8601 with its zone: a date that is read differently elsewhere is no date to announce. */
const Instant = Type.Refine(
  Type.String(),
  value => isInstant(value) && !Number.isNaN(Date.parse(value)),
  () => 'must be an ISO 8601 instant with its zone, such as 2027-06-30T00:00:00Z'
)

/** In a list `Accept`, or a header that only the gateway or HTTP itself may say, nobody chooses a version. */
const CHOOSING_HEADER =
  /^(?!(accept|authorization|connection|content-length|content-type|cookie|forwarded|host|transfer-encoding|upgrade|via)$|x-(user|forwarded)-)[a-z0-9-]{1,64}$/i
const NAME = /^[a-z0-9][a-z0-9.-]{0,31}$/
/** What find-my-way can tell apart at one path, less the one that stands for every other. */
const MAX_BY_HEADER = 30

/** How a request says which version it means, beside the path. What is not given is not looked at. */
export const VersionChoiceOptions = Type.Object(
  {
    /** A header, such as `accept-version`. */
    header: Type.Optional(
      Type.Refine(
        Type.String(),
        value => CHOOSING_HEADER.test(value),
        () => 'must be a header of its own, such as accept-version'
      )
    ),
    /** A parameter of the media types in `Accept`, such as `version` (`application/json;version=2`). */
    mediaType: Type.Optional(Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}$' })),
    /** A parameter of the query, such as `version`. */
    query: Type.Optional(Type.String({ pattern: '^[A-Za-z][A-Za-z0-9_-]{0,31}$' })),
    /** The version of a request that says nothing. Without it, such a request is refused. */
    default: Type.Optional(Type.String())
  },
  { additionalProperties: false }
)
export type VersionChoiceOptions = Type.Static<typeof VersionChoiceOptions>

export const VersionOptions = Type.Object(
  {
    /** A Fastify plugin with the version's routes. */
    routes: RoutesPlugin,
    /** From when on it should not be used any more (RFC 9745). May be yet to come. */
    deprecated: Type.Optional(Instant),
    /** When it ends (RFC 8594): from then on it is answered by 410. */
    sunset: Type.Optional(Instant),
    /** The version to use instead; the next one, if not given. */
    successor: Type.Optional(Type.String()),
    /** Pages on why and until when, for people. */
    links: withDefault(
      Type.Object(
        {
          deprecation: Type.Optional(Url('https:', 'http:')),
          sunset: Type.Optional(Url('https:', 'http:'))
        },
        { additionalProperties: false }
      ),
      {}
    ),
    /** When it is answered by 410 for a while, so that who still calls it notices. */
    brownouts: withDefault(
      Type.Array(
        Type.Object(
          {
            from: Instant,
            to: Instant,
            /** Milliseconds after which it comes again, until the sunset. */
            every: Type.Optional(Type.Integer({ minimum: 1_000 }))
          },
          { additionalProperties: false }
        )
      ),
      []
    )
  },
  { additionalProperties: false }
)
export type VersionOptions = Type.Static<typeof VersionOptions>

interface Fault {
  path: string
  message: string
}

interface Scope {
  prefix?: unknown
  routes?: unknown
  versions?: Record<string, VersionOptions>
  version?: VersionChoiceOptions
}

/** What is wrong with a scope's versions as a whole; each member by itself is for its schema to say. */
export function versionFaults(at: string, scope: Scope): Fault[] {
  const faults: Fault[] = []
  const fault = (path: string, message: string) => faults.push({ path: at + path, message })
  const { prefix, routes, versions, version } = scope
  const isInPath = typeof prefix === 'string' && prefix.includes('{version}')

  if (versions === undefined || !isObject(versions)) {
    if (routes === undefined && versions === undefined) fault('/routes', 'is missing')
    if (isInPath) fault('/prefix', 'has {version}, but there are no versions')
    if (version !== undefined) fault('/version', 'chooses of versions, but there are none')
    return faults
  }
  const names = Object.keys(versions)
  const known = `there are: ${names.join(', ') || 'none'}`
  const choice = (isObject(version) && version) || {}
  const { header, mediaType, query, default: fallback } = choice
  const isSaid = header !== undefined || mediaType !== undefined || query !== undefined

  if (routes !== undefined) fault('/routes', 'are in the versions')
  if (names.length === 0) fault('/versions', 'must have a version')
  if (!isInPath && !isSaid) fault('/version', 'must say how a version is chosen: prefix has no {version}')
  if (isInPath && (prefix as string).split('{version}').length > 2)
    fault('/prefix', 'may have {version} once')
  if (isInPath && prefix === '/{version}' && (isSaid || fallback !== undefined))
    fault('/prefix', 'must have more than {version} if a version can be chosen without the path')
  if ((isSaid || fallback !== undefined) && names.length > MAX_BY_HEADER)
    fault('/versions', `may be ${MAX_BY_HEADER} at most where not only the path chooses`)
  if (typeof fallback === 'string' && !names.includes(fallback))
    fault('/version/default', `no version is named '${fallback}'; ${known}`)

  for (const [name, options] of Object.entries(versions)) {
    const own = `/versions/${name}`
    if (!NAME.test(name)) fault(own, 'is not a version: a-z or 0-9, then a-z, 0-9, . or -')
    if (!isObject(options)) continue
    const { successor, deprecated, sunset, brownouts } = options
    if (typeof successor === 'string' && (successor === name || !names.includes(successor)))
      fault(`${own}/successor`, `no other version is named '${successor}'; ${known}`)
    const begin = instant(deprecated)
    const end = instant(sunset)
    // RFC 9745, 4.
    if (begin > end) fault(`${own}/sunset`, 'must not be before deprecated')
    for (const [i, brownout] of (Array.isArray(brownouts) ? brownouts : []).entries()) {
      if (!isObject(brownout)) continue
      const at = `${own}/brownouts/${i}`
      const [from, to] = [instant(brownout.from), instant(brownout.to)]
      if (from >= to) fault(`${at}/to`, 'must be after from')
      if (brownout.every !== undefined && brownout.every <= to - from)
        fault(`${at}/every`, 'must be longer than from is before to')
      if (deprecated === undefined) fault(at, 'needs deprecated: nobody has been told yet')
      else if (from < begin) fault(`${at}/from`, 'must not be before deprecated')
      if (to > end) fault(`${at}/to`, 'must not be after sunset')
    }
  }
  return faults
}

/** NaN, with which every comparison is false, for what is no date: its schema says so. */
function instant(value: unknown): number {
  return typeof value === 'string' ? Date.parse(value) : Number.NaN
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
