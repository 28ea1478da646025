import Type from 'typebox'
import { isInstant } from './dates.ts'
import { withDefault } from './defaults.ts'
import { type ConfigFault, isObject } from './faults.ts'
import { Named } from './named.ts'
import { Prefix, RoutesPlugin, ScopeHooks } from './routes.ts'
import { Url } from './url.ts'

/** ISO 8601 with a zone: clients in other zones would read a date without one differently. */
const Instant = Type.Refine(
  Type.String(),
  value => isInstant(value) && !Number.isNaN(Date.parse(value)),
  () => 'must be an ISO 8601 instant with its zone, such as 2027-06-30T00:00:00Z'
)

/** Excludes headers that have a meaning in HTTP, and those that the gateway sets. */
const SELECTING_HEADER =
  /^(?!(accept|authorization|connection|content-length|content-type|cookie|forwarded|host|transfer-encoding|upgrade|via)$|x-(user|forwarded)-)[a-z0-9-]{1,64}$/i
const NAME = /^[a-z0-9][a-z0-9.-]{0,31}$/
/** Versions at one path. find-my-way has 31 constraints there; one is for requests that no version takes. */
const MAX_SHARED = 30

/** What selects a version besides the path. */
export const VersionSources = Type.Object(
  {
    /** Name of a header, such as `Accept-Version`. */
    header: Type.Optional(
      Type.Refine(
        Type.String(),
        value => SELECTING_HEADER.test(value),
        () => 'must be a header of its own, such as accept-version'
      )
    ),
    /** Name of a parameter of the media types in `Accept`: `version` for `application/json;version=2`. */
    mediaType: Type.Optional(Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}$' })),
    /** Name of a query parameter: `version` for `?version=2`. */
    query: Type.Optional(Type.String({ pattern: '^[A-Za-z][A-Za-z0-9_-]{0,31}$' })),
    /** Version of a request that names none. Without it, such a request gets 400. */
    default: Type.Optional(Type.String())
  },
  { additionalProperties: false }
)
export type VersionSources = Type.Static<typeof VersionSources>

export const VersionOptions = Type.Object(
  {
    /** Fastify plugin with the version's routes. */
    routes: RoutesPlugin,
    /** Instant from which it should not be used (RFC 9745). May be in the future. */
    deprecated: Type.Optional(Instant),
    /** Instant of its end (RFC 8594). From then on it answers 410. */
    sunset: Type.Optional(Instant),
    /** Version to use instead. Default: the next one. */
    successor: Type.Optional(Type.String()),
    /** URLs of pages for people. */
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
    /** Times at which it answers 410 for a while, so that its remaining users notice. */
    brownouts: withDefault(
      Type.Array(
        Type.Object(
          {
            from: Instant,
            to: Instant,
            /** Milliseconds after which the brownout repeats, until the sunset. */
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

/** Options of the plugin `versions`. */
export const VersionsOptions = Type.Object(
  {
    /** Name of the API in metrics, logs and `GET /versions`. Default: the prefix. */
    name: Type.Optional(Type.String({ minLength: 1 })),
    /** Path of the API. `{version}` stands for the name of each version. */
    prefix: Prefix,
    /** By name, oldest first. */
    versions: Named(VersionOptions),
    /** What selects a version besides the path. */
    version: withDefault(VersionSources, {}),
    /** Registers hooks that run before the version is checked, such as CORS and a limit by address. */
    beforeVersion: Type.Optional(ScopeHooks),
    /** Registers authentication. An ended version answers 410 after it, and the consumer is counted. */
    authenticate: Type.Optional(ScopeHooks)
  },
  { additionalProperties: false }
)
export type VersionsOptions = Type.Static<typeof VersionsOptions>

interface Scope {
  prefix?: unknown
  routes?: unknown
  versions?: Record<string, VersionOptions>
  version?: VersionSources
}

/**
 * Returns the faults of a scope's versions that its schema cannot find.
 * @param pointer JSON pointer to the scope
 */
export function versionFaults(pointer: string, scope: Scope): ConfigFault[] {
  const faults: ConfigFault[] = []
  const fault = (path: string, message: string) => faults.push({ path: pointer + path, message })
  const { prefix, routes, versions, version } = scope
  const isInPath = typeof prefix === 'string' && prefix.includes('{version}')

  if (versions === undefined || !isObject(versions)) {
    if (routes === undefined && versions === undefined) fault('/routes', 'is missing')
    if (isInPath) fault('/prefix', 'has {version}, but the scope has no versions')
    if (version !== undefined) fault('/version', 'needs versions')
    return faults
  }
  const names = Object.keys(versions)
  const known = `there are: ${names.join(', ') || 'none'}`
  const sources = (isObject(version) && version) || {}
  const { header, mediaType, query, default: fallback } = sources
  const canSelect = header !== undefined || mediaType !== undefined || query !== undefined

  if (routes !== undefined) fault('/routes', 'must be in the versions')
  if (names.length === 0) fault('/versions', 'must have at least one version')
  if (!isInPath && !canSelect)
    fault('/version', 'must have header, mediaType or query, because the prefix has no {version}')
  if (isInPath && (prefix as string).split('{version}').length > 2)
    fault('/prefix', 'must not have {version} twice')
  if (isInPath && prefix === '/{version}' && (canSelect || fallback !== undefined))
    fault('/prefix', 'must have more than {version} if something else than the path can select a version')
  if ((canSelect || fallback !== undefined) && names.length > MAX_SHARED)
    fault('/versions', `must be ${MAX_SHARED} at most if something else than the path can select a version`)
  if (typeof fallback === 'string' && !names.includes(fallback))
    fault('/version/default', `no version is named '${fallback}'; ${known}`)

  for (const [name, options] of Object.entries(versions)) {
    const own = `/versions/${name}`
    if (!NAME.test(name)) fault(own, 'is not a valid version name: a-z or 0-9, then a-z, 0-9, . or -')
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
        fault(`${at}/every`, 'must be longer than the brownout')
      if (deprecated === undefined) fault(at, 'needs deprecated, so that clients know of it')
      else if (from < begin) fault(`${at}/from`, 'must not be before deprecated')
      if (to > end) fault(`${at}/to`, 'must not be after sunset')
    }
  }
  return faults
}

/** Returns NaN for an invalid date, which the schema reports: comparisons with NaN are false. */
function instant(value: unknown): number {
  return typeof value === 'string' ? Date.parse(value) : Number.NaN
}
