import type { FastifyReply } from 'fastify'
import type { LimitStatus } from '../limits/limit-status.ts'
import type { Credentials } from '../observe/credentials.ts'
import { version } from '../package-version.ts'
import type { UpstreamState } from '../proxy/upstream-types.ts'
import type { VersionStatus } from '../versions/registry.ts'
import { MAX_CONSUMERS } from '../versions/usage.ts'
import type { Cluster, ClusterStatus, Incidents } from './cluster-types.ts'
import type { LatestRates } from './history.ts'
import { type MergedCredentials, mergeCredentials } from './merge/credentials.ts'
import { type MergedLimits, mergeLimits } from './merge/limits.ts'
import { type MergedUpstream, mergeUpstreams } from './merge/upstreams.ts'
import { countsOf, mergeVersions } from './merge/versions.ts'
import type { Problem } from './problems/problem.ts'
import { problemsOf } from './problems/problems.ts'
import type { RetainedState } from './retained-state.ts'
import { createRouteRates, type RouteRate } from './route-rates.ts'
import { askAll, type Missing, read, successes } from './worker-requests.ts'

/** `GET /overview`. */
export interface Overview extends Partial<LatestRates> {
  version: string
  /** ISO instant. */
  startedAt: string
  state: ClusterStatus['state']
  workers: { ready: number; total: number }
  problems: Problem[]
}

/** `GET /deploys`. */
export interface Deploys extends MergedCredentials, Incidents {
  /** ISO instant. */
  startedAt: string
  generation: number
  isReloading: boolean
  workers: (Omit<ClusterStatus['workers'][number], 'socket' | 'startedAt'> & { startedAt: string })[]
}

/** The state of all workers together, as several routes and the event stream show it. */
export interface Views {
  /** @param showsNames true for operators, who may see the names of consumers */
  overview(missing: Missing, showsNames: boolean): Promise<Overview>
  upstreams(missing: Missing): Promise<MergedUpstream[]>
  limits(missing: Missing): Promise<MergedLimits>
  /** @param top consumers of each version */
  versions(missing: Missing, top: number): Promise<VersionStatus[]>
  routeRates(missing: Missing): Promise<RouteRate[]>
  credentials(missing: Missing): Promise<MergedCredentials>
  deploys(missing: Missing): Promise<Deploys>
  cluster(): object
}

/** For requests to the workers beside one that tells which of them are missing. */
export const NOWHERE: Missing = { header: () => NOWHERE as FastifyReply }

export function createViews(cluster: Cluster, retained: RetainedState): Views {
  const views: Views = {
    async overview(missing, showsNames) {
      const [upstreams, limits, credentials] = await Promise.all([
        views.upstreams(missing).catch(() => undefined),
        views.limits(NOWHERE).catch(() => undefined),
        views.credentials(NOWHERE).catch(() => undefined)
      ])
      const status = cluster.status()
      const { history } = retained
      return {
        version,
        startedAt: new Date(status.startedAt).toISOString(),
        state: status.state,
        workers: {
          ready: status.workers.filter(({ state }) => state === 'ready').length,
          total: status.workers.length
        },
        scopes: history.latest()?.scopes ?? [],
        causes: history.latest()?.causes ?? [],
        ...(history.latest() && { total: history.latest()?.total }),
        problems: retained.problemTimes.date(
          problemsOf({
            status,
            upstreams,
            limits,
            credentials,
            actions: retained.actions.active(),
            history,
            showsNames,
            now: Date.now()
          })
        )
      }
    },
    async upstreams(missing) {
      const responses = successes(await askAll(cluster, missing, '/upstreams'))
      return mergeUpstreams(
        responses.map(response => ({ worker: response.worker.id, state: read<UpstreamState[]>(response) }))
      )
    },
    async limits(missing) {
      const responses = successes(await askAll(cluster, missing, '/limits'))
      return mergeLimits(
        responses.map(response => ({ worker: response.worker.id, state: read<LimitStatus>(response) }))
      )
    },
    async versions(missing, top) {
      const responses = successes(await askAll(cluster, missing, `/versions?top=${MAX_CONSUMERS}`))
      let newest: VersionStatus[] = []
      for (const response of responses) {
        newest = read<VersionStatus[]>(response)
        retained.versions.update(response.worker.id, countsOf(newest))
      }
      return mergeVersions(newest, retained.versions.parts(), top)
    },
    routeRates: createRouteRates(cluster),
    async credentials(missing) {
      const responses = successes(await askAll(cluster, missing, '/credentials'))
      return mergeCredentials(
        responses.map(response => ({ worker: response.worker.id, credentials: read<Credentials>(response) }))
      )
    },
    async deploys(missing) {
      // Reloads and crashes are known without any worker.
      const none = { certificates: [], issuers: [] }
      const credentials = await views.credentials(missing).catch(() => none)
      const { startedAt, generation, isReloading, workers } = cluster.status()
      return {
        startedAt: new Date(startedAt).toISOString(),
        generation,
        isReloading,
        workers: workers.map(({ socket, startedAt, ...worker }) => ({
          ...worker,
          startedAt: new Date(startedAt).toISOString()
        })),
        ...cluster.incidents(),
        ...credentials
      }
    },
    cluster() {
      const { workers, ...status } = cluster.status()
      return { ...status, workers: workers.map(({ socket, ...worker }) => worker) }
    }
  }
  return views
}
