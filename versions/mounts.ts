import type { Routes } from '../schemas/options/routes.ts'
import type { VersionOptions, VersionSources } from '../schemas/options/versions.ts'
import type { ServedVersion } from './registry.ts'

/** A path at which the routes of one version are registered, or the routes for requests that no version takes. */
export interface Mount {
  /** Prefix for `register`. */
  prefix: string
  /** Undefined for the routes of requests that no version takes. */
  version: ServedVersion | undefined
  routes: Routes
  /** True if the path has the version in it, false if a header, media type, query or default selects it. */
  isInPath: boolean
  /** Response headers: `Deprecation`, `Sunset`, `Link`, `Vary`. */
  headers: Record<string, string>
}

/** Paths of a versioned API. */
export interface VersionPaths {
  /** Returns the path with a version in it. Undefined if the prefix has no `{version}`. */
  inPath: ((version: string) => string) | undefined
  /** Path at which something else than the path selects the version. */
  shared: string | undefined
}

/** @param isShared true if something else than the path can select a version */
export function versionPaths(prefix: string, isShared: boolean): VersionPaths {
  if (!prefix.includes('{version}')) return { inPath: undefined, shared: prefix }
  return {
    inPath: version => prefix.replace('{version}', version),
    shared: isShared ? prefix.replace('/{version}', '') : undefined
  }
}

/**
 * Returns the mounts of all versions: one for each version in the path, one for each at the shared path, and at both one
 * for the requests that no version takes.
 * @param base prefix of the scope in which they are registered, for URLs in `Link`
 * @param unserved routes for requests that no version takes
 */
export function createMounts(
  sources: VersionSources,
  versions: ServedVersion[],
  paths: VersionPaths,
  base: string,
  unserved: Routes
): Mount[] {
  const latest = (versions.at(-1) as ServedVersion).name
  const vary = [sources.header?.toLowerCase(), sources.mediaType && 'accept'].filter(Boolean).join(', ')
  const { inPath, shared } = paths
  const mount = (prefix: string, isInPath: boolean, version?: ServedVersion): Mount => {
    const link = version && linkOf(version, latest, paths, base, sources)
    const headers = {
      ...version?.lifecycle.headers,
      ...(link !== undefined && { link }),
      ...(!isInPath && vary !== '' && { vary })
    }
    return { prefix, version, routes: version?.options.routes ?? unserved, isInPath, headers }
  }
  return [
    ...(inPath === undefined
      ? []
      : [...versions.map(one => mount(inPath(one.name), true, one)), mount(inPath(':version'), true)]),
    ...(shared === undefined ? [] : [...versions.map(one => mount(shared, false, one)), mount(shared, false)])
  ]
}

/**
 * Returns the `Link` (RFC 8288) of a version that will end: pages for people by `deprecation` (RFC 9745) and `sunset`
 * (RFC 8594), its successor and the latest version (RFC 5829) if they have a URL of their own.
 */
function linkOf(
  { options: { deprecated, sunset, links }, successor }: ServedVersion,
  latest: string,
  { inPath, shared }: VersionPaths,
  base: string,
  { query }: VersionSources
): string | undefined {
  if (deprecated === undefined && sunset === undefined) return undefined
  const urlOf = (version: string) =>
    inPath !== undefined
      ? base + inPath(version)
      : query !== undefined && `${base}${shared}?${query}=${version}`
  const targets: [rel: string, url: string | false | undefined][] = [
    ['deprecation', absolute(links, 'deprecation')],
    ['sunset', absolute(links, 'sunset')],
    ['successor-version', successor !== undefined && urlOf(successor)],
    ['latest-version', successor !== undefined && latest !== successor && urlOf(latest)]
  ]
  const written = targets.filter(([, url]) => url).map(([rel, url]) => `<${url}>; rel="${rel}"`)
  return written.length > 0 ? written.join(', ') : undefined
}

/** Returns the page's URL as the URL parser writes it, without characters that would end it in a header. */
function absolute(links: VersionOptions['links'], page: keyof VersionOptions['links']): string | undefined {
  const url = links[page]
  return url === undefined ? undefined : new URL(url).href
}
