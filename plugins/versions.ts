import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { consumerOf } from '../auth/consumer.ts'
import { clientNetwork } from '../http/client-address.ts'
import { addVary } from '../http/vary.ts'
import type { Routes } from '../schemas/options/routes.ts'
import type { VersionChoiceOptions, VersionOptions } from '../schemas/options/versions.ts'
import { CONFLICT, createChoice, type ReadChoice, refusal, UNKNOWN } from '../versions/choice.ts'
import { createLifecycle, type Lifecycle, type VersionState } from '../versions/lifecycle.ts'
import { everythingElse, linkOf, placesOf } from '../versions/places.ts'
import { type ConsumerUsage, createUsage, type Usage } from '../versions/usage.ts'

/**
 * Versions of a scope: which of them a request means, what is said of one that comes to its end, who still calls it.
 *
 * `fastify.mountsOf` makes of a scope the places at which routes are registered: one, or with versions one for each in
 * the path, one for each behind the constraint `apiVersion` where header, media type or query choose, and those for
 * what none of them has: they answer 400 to a version that there is not. The patterns of a place are `constrainVersion`,
 * the first of all, `chooseVersion`, before a token is looked at, and `useVersion`, once it is known who calls.
 */
export interface VersionedScope {
  prefix: string
  routes?: Routes | undefined
  versions?: Record<string, VersionOptions> | undefined
  version?: VersionChoiceOptions | undefined
}

export interface Mount {
  prefix: string
  routes: Routes
  /** Undefined for a scope without versions. */
  place?: Place
}

export interface Place {
  /** Undefined where no version is served, only refused. */
  served: ServedVersion | undefined
  isInPath: boolean
  /** What a request says beside its path. */
  read: ReadChoice | undefined
  /** The version of a request that says nothing. */
  fallback: string | undefined
  /** Every version of the scope, by name. */
  family: Map<string, ServedVersion>
  /** Of every answer here. */
  headers: Record<string, string>
  now: () => number
}

export interface ServedVersion {
  scope: string
  name: string
  options: VersionOptions
  successor: string | undefined
  lifecycle: Lifecycle
  usage: Usage
}

export interface VersionStatus {
  scope: string
  version: string
  state: VersionState
  deprecated?: string | undefined
  sunset?: string | undefined
  successor?: string | undefined
  calls: number
  lastCall: string | null
  /** Those who call most. */
  consumers: ConsumerUsage[]
  /** How many consumers are known, and how often one was forgotten for another. */
  known: number
  dropped: number
}

async function versions(fastify: FastifyInstance, { now = Date.now }: { now?: () => number }) {
  const all: ServedVersion[] = []
  const shared: { prefix: string; versionOf(request: Parameters<ReadChoice>[0]): string | undefined }[] = []

  fastify.decorate('versions', all)
  fastify.decorate('versionStatus', top => all.map(version => statusOf(version, top, now())))
  fastify.decorate('mountsOf', mountsOf)

  // Only asked once a route is constrained: a gateway that has no versions, or only in paths, pays nothing for it.
  fastify.addConstraintStrategy({
    name: 'apiVersion',
    storage: () => new Map() as never,
    mustMatchWhenDerived: false,
    validate: () => {},
    deriveConstraint: ((request: Parameters<ReadChoice>[0]) => {
      const url = request.url as string
      for (const { prefix, versionOf } of shared)
        if (url.startsWith(prefix) && isSegmentEnd(url.charCodeAt(prefix.length))) return versionOf(request)
      return undefined
    }) as never
  })

  function mountsOf(scope: string, { prefix, routes, versions, version = {} }: VersionedScope): Mount[] {
    if (versions === undefined) return [{ prefix, routes: routes as Routes }]
    const names = Object.keys(versions)
    const family = new Map(names.map((name, i) => [name, serve(scope, name, versions, names[i + 1])]))
    all.push(...family.values())

    const read = createChoice(version, names)
    const fallback = version.default
    const places = placesOf(prefix, read !== undefined || fallback !== undefined)
    const vary = [version.header?.toLowerCase(), version.mediaType && 'accept'].filter(Boolean).join(', ')

    const mount = (prefix: string, routes: Routes, isInPath: boolean, served?: ServedVersion): Mount => {
      const headers = { ...served?.lifecycle.headers }
      const link = served && linkOf(served.options, served.successor, names.at(-1) as string, places, version)
      if (link !== undefined) headers.link = link
      if (!isInPath && vary !== '') headers.vary = vary
      return { prefix, routes, place: { served, isInPath, read, fallback, family, headers, now } }
    }
    const mounts: Mount[] = []
    if (places.inPath !== undefined) {
      for (const served of family.values())
        mounts.push(mount(places.inPath(served.name), served.options.routes, true, served))
      mounts.push(mount(places.inPath(':version'), everythingElse, true))
    }
    if (places.shared !== undefined) {
      for (const served of family.values())
        mounts.push(mount(places.shared, served.options.routes, false, served))
      mounts.push(mount(places.shared, everythingElse, false))
      shared.push({
        prefix: places.shared,
        versionOf(request) {
          const said = read?.(request) ?? fallback
          return typeof said === 'string' ? said : undefined
        }
      })
      // The longest first: one may begin with another.
      shared.sort((a, b) => b.prefix.length - a.prefix.length)
    }
    return mounts
  }
}

export default fp(versions, { name: 'sluice-version', fastify: '5.x', dependencies: ['sluice-problem'] })

function serve(
  scope: string,
  name: string,
  versions: Record<string, VersionOptions>,
  next: string | undefined
): ServedVersion {
  const options = versions[name] as VersionOptions
  const successor = options.successor ?? next
  return {
    scope,
    name,
    options,
    successor,
    lifecycle: createLifecycle(options, successor),
    usage: createUsage()
  }
}

/** Has whatever is registered behind it, the patterns' own routes too, reached only by who means the place's version. */
export const constrainVersion = fp(
  async function constrainVersion(fastify: FastifyInstance, { served, isInPath }: Place) {
    if (served === undefined || isInPath) return
    fastify.addHook('onRoute', route => {
      route.constraints = { ...route.constraints, apiVersion: served.name }
    })
  },
  { name: 'sluice-version-constrain', fastify: '5.x', dependencies: ['sluice-version'] }
)

/** Refuses what is no version here, and says of the one that is what there is to say. */
export const chooseVersion = fp(
  async function chooseVersion(fastify: FastifyInstance, place: Place) {
    const { served, isInPath, read, fallback, family, headers, now } = place
    if (Object.keys(headers).length > 0) fastify.addHook('onSend', announce)
    if (served === undefined) fastify.addHook('onRequest', refuse)
    else if (isInPath && read !== undefined) fastify.addHook('onRequest', compare)

    function announce(_: FastifyRequest, reply: FastifyReply, _payload: unknown, done: () => void): void {
      for (const name in headers) addTo(reply, name, headers[name] as string)
      done()
    }

    function compare(request: FastifyRequest, _: FastifyReply, done: (error?: Error) => void): void {
      const said = (read as ReadChoice)(request.raw, served?.name)
      if (said === served?.name) done()
      else done(refusal(typeof said === 'string' ? CONFLICT : said, stillServed()))
    }

    function refuse(request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
      const { version = '' } = request.params as { version?: string }
      const said = isInPath ? (family.has(version) ? version : UNKNOWN) : (read?.(request.raw) ?? fallback)
      // If the version is one of ours, it is the route that there is not.
      if (typeof said === 'string') reply.callNotFound()
      else done(refusal(said, stillServed()))
    }

    function stillServed(): string[] {
      return [...family.values()]
        .filter(({ lifecycle }) => lifecycle.stateAt(now()) !== 'gone')
        .map(({ name }) => name)
    }
  },
  { name: 'sluice-version-choose', fastify: '5.x', dependencies: ['sluice-version'] }
)

/** Counts who calls, and refuses them once the version has ended: after the token, so that it is known who it is. */
export const useVersion = fp(
  async function useVersion(fastify: FastifyInstance, { served, now }: Place) {
    if (served === undefined) return
    const { usage, lifecycle } = served
    fastify.addHook('onRequest', (request, _reply, done) => {
      const time = now()
      usage.count(consumerOf(request) ?? clientNetwork(request), time)
      done(lifecycle.ends ? lifecycle.refusalAt(time) : undefined)
    })
  },
  { name: 'sluice-version-use', fastify: '5.x', dependencies: ['sluice-version'] }
)

const SLASH = 47

/** `/`, `?`, or nothing more. */
function isSegmentEnd(code: number): boolean {
  return code === SLASH || code === 63 || Number.isNaN(code)
}

/** A service's own `Link` and `Vary` stand beside ours; of `Deprecation` and `Sunset` there can be one. */
function addTo(reply: FastifyReply, name: string, value: string): void {
  if (name === 'vary') {
    for (const each of value.split(', ')) addVary(reply, each)
    return
  }
  const before = name === 'link' ? reply.getHeader(name) : undefined
  reply.header(name, before === undefined ? value : `${before}, ${value}`)
}

function statusOf(version: ServedVersion, top: number, now: number): VersionStatus {
  const { scope, name, options, successor, lifecycle, usage } = version
  const { deprecated, sunset } = options
  return {
    scope,
    version: name,
    state: lifecycle.stateAt(now),
    deprecated,
    sunset,
    successor,
    calls: usage.calls,
    lastCall: usage.calls === 0 ? null : new Date(usage.lastCall).toISOString(),
    consumers: usage.consumers(top),
    known: usage.known(),
    dropped: usage.dropped
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    versions: ServedVersion[]
    /** Of every version, with the `top` consumers who call it most. */
    versionStatus(top: number): VersionStatus[]
    mountsOf(scope: string, options: VersionedScope): Mount[]
  }
}
