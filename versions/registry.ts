import type { FastifyInstance } from 'fastify'
import { appState } from '../app-state.ts'
import type { VersionOptions } from '../schemas/options/versions.ts'
import { createLifecycle, type Lifecycle, type VersionState } from './lifecycle.ts'
import { type ConsumerUsage, createUsage, type Usage } from './usage.ts'

/** A version of an API that this app serves. */
export interface ServedVersion {
  /** Name of the API in metrics, logs and `GET /versions`. */
  scope: string
  name: string
  options: VersionOptions
  /** Version to use instead. */
  successor: string | undefined
  lifecycle: Lifecycle
  usage: Usage
  /** Epoch ms. */
  now(): number
}

/** A version in `GET /versions` of the admin API. */
export interface VersionStatus {
  scope: string
  version: string
  state: VersionState
  deprecated?: string | undefined
  sunset?: string | undefined
  successor?: string | undefined
  /** Calls since the start, those that got a 410 included. */
  calls: number
  lastCall: string | null
  /** The most frequent consumers. */
  consumers: ConsumerUsage[]
  /** Consumers that are remembered. */
  known: number
  /** Consumers that were forgotten in favour of a new one. */
  dropped: number
}

/** Returns all versions of an app in the order in which they were registered. */
export function servedVersions(app: FastifyInstance): ServedVersion[] {
  return appState(app, 'versions', (): ServedVersion[] => [])
}

/** Adds the versions of one API to those of its app, oldest first. */
export function addVersions(
  app: FastifyInstance,
  scope: string,
  versions: Record<string, VersionOptions>,
  now: () => number
): ServedVersion[] {
  const names = Object.keys(versions)
  const added = Object.entries(versions).map(([name, options], i) => {
    const successor = options.successor ?? names[i + 1]
    const lifecycle = createLifecycle(options, successor)
    return { scope, name, options, successor, lifecycle, usage: createUsage(), now }
  })
  servedVersions(app).push(...added)
  return added
}

/** @param top consumers to list for each version, the most frequent first */
export function versionStatus(app: FastifyInstance, top: number): VersionStatus[] {
  return servedVersions(app).map(({ scope, name, options, successor, lifecycle, usage, now }) => ({
    scope,
    version: name,
    state: lifecycle.stateAt(now()),
    deprecated: options.deprecated,
    sunset: options.sunset,
    successor,
    calls: usage.calls,
    lastCall: usage.calls === 0 ? null : new Date(usage.lastCall).toISOString(),
    consumers: usage.consumers(top),
    known: usage.known(),
    dropped: usage.dropped
  }))
}
