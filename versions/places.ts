import type { FastifyInstance } from 'fastify'
import type { VersionChoiceOptions, VersionOptions } from '../schemas/options/versions.ts'

/** Where a scope's versions are: in the path, and at a path that all of them share. */
export interface Places {
  inPath: ((version: string) => string) | undefined
  shared: string | undefined
}

export function placesOf(prefix: string, isShared: boolean): Places {
  if (!prefix.includes('{version}')) return { inPath: undefined, shared: prefix }
  return {
    inPath: version => prefix.replace('{version}', version),
    shared: isShared ? prefix.replace('/{version}', '') : undefined
  }
}

/**
 * `Link` (RFC 8288) of a version that is to end: pages for people, by `deprecation` (RFC 9745) and `sunset` (RFC 8594),
 * and where its successor and the latest version are (RFC 5829), as far as they have a URL of their own.
 */
export function linkOf(
  { deprecated, sunset, links }: VersionOptions,
  successor: string | undefined,
  latest: string,
  { inPath, shared }: Places,
  { query }: VersionChoiceOptions
): string | undefined {
  if (deprecated === undefined && sunset === undefined) return undefined
  const urlOf = (version: string) =>
    inPath !== undefined ? inPath(version) : query !== undefined && `${shared}?${query}=${version}`
  const targets: [rel: string, url: string | false | undefined][] = [
    ['deprecation', links.deprecation && new URL(links.deprecation).href],
    ['sunset', links.sunset && new URL(links.sunset).href],
    ['successor-version', successor !== undefined && urlOf(successor)],
    ['latest-version', successor !== undefined && latest !== successor && urlOf(latest)]
  ]
  const written = targets.filter(([, url]) => url).map(([rel, url]) => `<${url}>; rel="${rel}"`)
  return written.length > 0 ? written.join(', ') : undefined
}

/** Whatever no route of a version has taken. Its hooks answer it. */
export async function everythingElse(app: FastifyInstance): Promise<void> {
  for (const url of ['/', '/*'])
    app.route({
      method: app.supportedMethods as never,
      url,
      exposeHeadRoute: false,
      config: { isCatchAll: true },
      handler: (_request, reply) => reply.callNotFound()
    })
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A route for what is no route: nobody is to be told of it, as in `Allow`. */
    isCatchAll?: boolean
  }
}
