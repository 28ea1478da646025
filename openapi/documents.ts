import type { OpenApiOptions } from '../schemas/options/openapi.ts'
import type { CollectedRoute } from './collected-route.ts'
import type { DescribedUpstream } from './described-upstreams.ts'
import type { OpenApiDocument } from './document-types.ts'
import type { ServiceDocument } from './service-document.ts'

/** The OpenAPI documents of an app. */
export interface OpenApiDocuments {
  title: string
  /** URLs at which clients reach the gateway, if the options name them. */
  servers: OpenApiOptions['servers']
  /**
   * Reads the documents of services.
   * @throws ConfigError that names the file and the place of what is wrong
   */
  load(): Promise<void>
  /** Returns the names of the versions that have a document of their own, in the order of their routes. */
  versions(): string[]
  /** Resolves with the document of one version, or of all. Undefined if there is no such version. */
  document(version?: string): Promise<OpenApiDocument | undefined>
}

export interface DocumentsContext {
  options: OpenApiOptions
  /** True if errors are sent as problems (RFC 9457). */
  hasProblems(): boolean
  upstreamOf(name: string): DescribedUpstream | undefined
  /** Returns the limits of a tier, as clients read them. */
  describeTier(name: string): object | undefined
  /** Epoch ms. */
  now(): number
}

/** Milliseconds for which a document is kept: the date of a deprecation may pass. */
const KEPT = 3_600_000

/**
 * Returns the documents of an app, which are made when they are asked for and then kept.
 * @param collect returns the routes, once the app is ready
 */
export function createDocuments(
  collect: () => CollectedRoute[],
  context: DocumentsContext
): OpenApiDocuments {
  const kept = new Map<string | undefined, { document: Promise<OpenApiDocument>; since: number }>()
  let collected: CollectedRoute[] | undefined
  const routesOf = () => (collected ??= collect())
  const services = new Map<string, ServiceDocument>()
  const fileOf = ({ config: { forwarding } }: CollectedRoute) =>
    forwarding && (forwarding.document ?? context.upstreamOf(forwarding.upstream)?.openapi)
  const versions = () =>
    [...new Set(routesOf().map(({ config }) => config.version))].filter(version => version !== undefined)

  return {
    title: context.options.info.title,
    servers: context.options.servers,
    versions,
    async load() {
      for (const file of new Set(routesOf().map(fileOf))) {
        if (file === undefined) continue
        const { readServiceDocument } = await import('./service-document.ts')
        services.set(file, await readServiceDocument(file))
      }
    },
    async document(version) {
      if (version !== undefined && !versions().includes(version)) return undefined
      const now = context.now()
      const known = kept.get(version)
      if (known !== undefined && now - known.since < KEPT) return known.document
      const document = build(version, now)
      kept.set(version, { document, since: now })
      document.catch(() => kept.delete(version))
      return document
    }
  }

  async function build(version: string | undefined, now: number): Promise<OpenApiDocument> {
    // Loaded on use: most processes never make a document.
    const [{ buildDocument }, { securitySchemes }, { makeIdsUnique, mergeVersions, nameByVersion }] =
      await Promise.all([
        import('./build-document.ts'),
        import('./security.ts'),
        import('./merge-versions.ts')
      ])
    const { options, hasProblems, describeTier } = context
    const routes = routesOf()
    const shared = {
      options,
      hasProblems: hasProblems(),
      describeTier,
      security: securitySchemes(routes),
      fallbackOf: (upstream: string) => context.upstreamOf(upstream)?.fallback,
      serviceDocument: (route: CollectedRoute) => services.get(fileOf(route) ?? ''),
      now
    }
    const documentOf = (name: string | undefined, title?: string) =>
      buildDocument(
        routes.filter(({ config }) => config.version === undefined || config.version === name),
        shared,
        title
      )
    const names = versions()
    let document: OpenApiDocument
    if (version !== undefined || names.length === 0) document = await documentOf(version, version)
    else {
      const all: [string, OpenApiDocument][] = []
      for (const name of names) all.push([name, await documentOf(name)])
      nameByVersion(all)
      document = mergeVersions(all)
    }
    makeIdsUnique(document)
    return document
  }
}
