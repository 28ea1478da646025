import { type ConfigFault, isObject } from './faults.ts'
import { unknownName } from './named.ts'
import type { VersionOptions, VersionSources } from './versions.ts'

const NAME = /^[a-z0-9][a-z0-9.-]{0,31}$/
/** Versions at one path. find-my-way has 31 constraints there; one is for requests that no version takes. */
const MAX_SHARED = 30

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
  const faults = isObject(scope.versions)
    ? [...selectionFaults(scope), ...Object.keys(scope.versions).flatMap(name => endFaults(scope, name))]
    : missingFaults(scope)
  return faults.map(({ path, message }) => ({ path: pointer + path, message }))
}

function missingFaults({ prefix, routes, versions, version }: Scope): ConfigFault[] {
  const faults: ConfigFault[] = []
  if (routes === undefined && versions === undefined) faults.push({ path: '/routes', message: 'is missing' })
  if (hasVersion(prefix))
    faults.push({ path: '/prefix', message: 'has {version}, but the scope has no versions' })
  if (version !== undefined) faults.push({ path: '/version', message: 'needs versions' })
  return faults
}

function selectionFaults({ prefix, routes, versions = {}, version }: Scope): ConfigFault[] {
  const faults: ConfigFault[] = []
  const fault = (path: string, message: string) => faults.push({ path, message })
  const names = Object.keys(versions)
  const { header, mediaType, query, default: fallback } = isObject(version) ? version : {}
  const hasSource = header !== undefined || mediaType !== undefined || query !== undefined
  const isShared = hasSource || fallback !== undefined

  if (routes !== undefined) fault('/routes', 'must be in the versions')
  if (names.length === 0) fault('/versions', 'must have at least one version')
  if (!hasVersion(prefix) && !hasSource)
    fault('/version', 'must have header, mediaType or query, because the prefix has no {version}')
  if (hasVersion(prefix) && prefix.split('{version}').length > 2)
    fault('/prefix', 'must not have {version} twice')
  if (prefix === '/{version}' && isShared)
    fault('/prefix', 'must have more than {version} if something else than the path can select a version')
  if (isShared && names.length > MAX_SHARED)
    fault('/versions', `must be ${MAX_SHARED} at most if something else than the path can select a version`)
  if (typeof fallback === 'string' && !names.includes(fallback))
    fault('/version/default', unknownName('version', fallback, names))
  return faults
}

/** Returns the faults of one version's name, successor and dates. */
function endFaults({ versions = {} }: Scope, name: string): ConfigFault[] {
  const faults: ConfigFault[] = []
  const fault = (path: string, message: string) => faults.push({ path: `/versions/${name}${path}`, message })
  const options = versions[name]
  if (!NAME.test(name)) fault('', 'is not a valid version name: a-z or 0-9, then a-z, 0-9, . or -')
  if (!isObject(options)) return faults

  const { successor, deprecated, sunset, brownouts } = options
  const others = Object.keys(versions).filter(other => other !== name)
  if (typeof successor === 'string' && !others.includes(successor))
    fault('/successor', unknownName('other version', successor, others))
  const begin = instant(deprecated)
  const end = instant(sunset)
  // RFC 9745, 4.
  if (begin > end) fault('/sunset', 'must not be before deprecated')
  for (const [i, brownout] of (Array.isArray(brownouts) ? brownouts : []).entries()) {
    if (!isObject(brownout)) continue
    const from = instant(brownout.from)
    const to = instant(brownout.to)
    if (from >= to) fault(`/brownouts/${i}/to`, 'must be after from')
    if (Number(brownout.every) <= to - from)
      fault(`/brownouts/${i}/every`, 'must be longer than the brownout')
    if (deprecated === undefined) fault(`/brownouts/${i}`, 'needs deprecated, so that clients know of it')
    else if (from < begin) fault(`/brownouts/${i}/from`, 'must not be before deprecated')
    if (to > end) fault(`/brownouts/${i}/to`, 'must not be after sunset')
  }
  return faults
}

function hasVersion(prefix: unknown): prefix is string {
  return typeof prefix === 'string' && prefix.includes('{version}')
}

/** Returns NaN for an invalid date, which the schema reports: comparisons with NaN are false. */
function instant(value: unknown): number {
  return typeof value === 'string' ? Date.parse(value) : Number.NaN
}
