import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { consumerOf } from '../auth/consumer.ts'
import { clientNetwork } from '../http/client-address.ts'
import { answerUnrouted } from '../http/not-found.ts'
import { addVary } from '../http/vary.ts'
import { describeRoutes, type RouteVersioning } from '../observe/route-metadata.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import type { Input } from '../schemas/options/defaults.ts'
import { versionFaults } from '../schemas/options/version-faults.ts'
import { VersionsOptions as Schema } from '../schemas/options/versions.ts'
import { addSharedPath } from '../versions/constraint.ts'
import { createMounts, type Mount, versionPaths } from '../versions/mounts.ts'
import { addVersions, type ServedVersion, type VersionStatus, versionStatus } from '../versions/registry.ts'
import { CONFLICT, createSelector, type Selector, selectionError, UNKNOWN } from '../versions/selection.ts'

export type VersionsOptions = Input<typeof Schema>

/**
 * Serves several versions of an API side by side.
 *
 * ```ts
 * await app.register(versions, {
 *   prefix: '/api/{version}/orders',
 *   versions: {
 *     v1: { routes: ordersV1, deprecated: '2026-11-01T00:00:00Z', sunset: '2027-11-01T00:00:00Z' },
 *     v2: { routes: ordersV2 }
 *   },
 *   version: { header: 'Accept-Version', default: 'v2' },
 *   authenticate: scope => scope.register(jwt, { issuer: 'https://auth.example.com', audience: 'api://orders' })
 * })
 * ```
 *
 * Hook order: parent scope, `beforeVersion`, the version (400, 404, 405), `authenticate`, usage and the version's end
 * (410), the version's routes.
 */
async function versions(fastify: FastifyInstance, options: VersionsOptions) {
  const {
    prefix,
    name = fastify.prefix + prefix,
    version: sources,
    beforeVersion,
    authenticate,
    ...declared
  } = completeOptions(Schema, options, 'versions', own => versionFaults('', own))
  const fallback = sources.default
  const now = fastify.overrides?.now ?? Date.now
  const served = addVersions(fastify, name, declared.versions, now)
  const select = createSelector(sources, Object.keys(declared.versions))
  const paths = versionPaths(prefix, select !== undefined || fallback !== undefined)
  if (paths.shared !== undefined) addSharedPath(fastify, fastify.prefix + paths.shared, select, fallback)
  if (!fastify.hasDecorator('versionStatus'))
    fastify.decorate('versionStatus', top => versionStatus(fastify, top))

  for (const mount of createMounts(sources, served, paths, fastify.prefix, unserved))
    await fastify.register(
      async scope => {
        if (mount.version !== undefined) constrain(scope, mount, describe(mount, mount.version))
        await beforeVersion?.(scope)
        await scope.register(async inner => {
          announce(inner, mount)
          check(inner, mount)
          await authenticate?.(inner)
          if (mount.version !== undefined) use(inner, mount.version)
          await inner.register(mount.routes)
        })
        answerUnrouted(scope)
      },
      { prefix: mount.prefix }
    )

  function describe({ isInPath }: Mount, { name, options, lifecycle }: ServedVersion) {
    const { deprecated, sunset } = options
    const versioning: RouteVersioning = {
      isInPath,
      hasVersionedPath: paths.inPath !== undefined,
      sources,
      names: Object.keys(declared.versions),
      deprecated,
      sunset,
      ends: lifecycle.ends
    }
    return { version: name, versioning }
  }

  /** Rejects requests whose version is unknown, missing or contradictory. */
  function check(scope: FastifyInstance, { version, isInPath }: Mount): void {
    if (version === undefined) scope.addHook('onRequest', isInPath ? rejectPath : rejectShared)
    else if (isInPath && select !== undefined) scope.addHook('onRequest', agree(select, version.name))
  }

  function agree(select: Selector, inPath: string) {
    return (request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void => {
      const selection = select(request.raw, inPath)
      if (selection === inPath) done()
      else done(selectionError(typeof selection === 'string' ? CONFLICT : selection, servedNames()))
    }
  }

  function rejectPath(request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
    const { version } = request.params as { version: string }
    // A known version has no such route.
    if (Object.hasOwn(declared.versions, version)) reply.callNotFound()
    else done(selectionError(UNKNOWN, servedNames()))
  }

  function rejectShared(request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
    const selection = select?.(request.raw) ?? fallback
    if (typeof selection === 'string') reply.callNotFound()
    else done(selectionError(selection, servedNames()))
  }

  function servedNames(): string[] {
    return served.filter(({ lifecycle }) => lifecycle.stateAt(now()) !== 'gone').map(({ name }) => name)
  }
}

/** Labels the scope's routes with their version. At a shared path the router takes them for that version only. */
function constrain(
  scope: FastifyInstance,
  { isInPath }: Mount,
  described: { version: string; versioning: RouteVersioning }
): void {
  describeRoutes(scope, described)
  if (isInPath) return
  scope.addHook('onRoute', route => {
    route.constraints = { ...route.constraints, apiVersion: described.version }
  })
}

/** Adds the mount's headers to every response. A service's own `Link` and `Vary` stay. */
function announce(scope: FastifyInstance, { headers }: Mount): void {
  const { vary, link, ...others } = headers
  const names = vary?.split(', ') ?? []
  if (Object.keys(headers).length === 0) return
  scope.addHook('onSend', (_request, reply, _payload, done) => {
    reply.headers(others)
    for (const name of names) addVary(reply, name)
    if (link !== undefined) {
      const own = reply.getHeader('link')
      reply.header('link', own === undefined ? link : `${own}, ${link}`)
    }
    done()
  })
}

/** Counts the consumer, and answers 410 if the version has ended. */
function use(scope: FastifyInstance, { usage, lifecycle, now }: ServedVersion): void {
  scope.addHook('onRequest', (request, _reply, done) => {
    const time = now()
    usage.count(consumerOf(request) ?? clientNetwork(request), time)
    done(lifecycle.ends ? lifecycle.errorAt(time) : undefined)
  })
}

/** Routes for requests that no version takes. The hooks before them answer. */
async function unserved(app: FastifyInstance): Promise<void> {
  for (const url of ['/', '/*'])
    app.route({
      method: app.supportedMethods as never,
      url,
      exposeHeadRoute: false,
      config: { isCatchAll: true },
      handler: (_request, reply) => reply.callNotFound()
    })
}

export default fp(versions, { name: 'sluice-versions', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyInstance {
    /** @param top consumers to list for each version, the most frequent first */
    versionStatus(top: number): VersionStatus[]
  }
  interface FastifyContextConfig {
    /** True for a route that only answers errors. It is not a resource, for example in `Allow`. */
    isCatchAll?: boolean
  }
}
