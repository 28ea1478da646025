import type { FastifyReply } from 'fastify'
import type { LimitStatus } from '../limits/limit-status.ts'
import { version } from '../package-version.ts'
import type { UpstreamState } from '../proxy/upstream-types.ts'
import type { VersionStatus } from '../versions/registry.ts'
import { MAX_CONSUMERS } from '../versions/usage.ts'
import type { Cluster, ClusterStatus } from './cluster-types.ts'
import type { LatestRates } from './history.ts'
import { type MergedLimits, mergeLimits } from './merge/limits.ts'
import { type MergedUpstream, mergeUpstreams } from './merge/upstreams.ts'
import { countsOf, mergeVersions } from './merge/versions.ts'
import { type Problem, problemsOf } from './problems.ts'
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

/** The state of all workers together, as several routes and the event stream show it. */
export interface Views {
  overview(missing: Missing): Promise<Overview>
  upstreams(missing: Missing): Promise<MergedUpstream[]>
  limits(missing: Missing): Promise<MergedLimits>
  /** @param top consumers of each version */
  versions(missing: Missing, top: number): Promise<VersionStatus[]>
  routeRates(missing: Missing): Promise<RouteRate[]>
  cluster(): object
}

export function createViews(cluster: Cluster, retained: RetainedState): Views {
  const views: Views = {
    async overview(missing) {
      const [upstreams, limits] = await Promise.all([
        views.upstreams(missing).catch(() => undefined),
        views.limits({ header: () => missing as FastifyReply }).catch(() => undefined)
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
        ...(history.latest() && { total: history.latest()?.total }),
        problems: problemsOf({
          status,
          upstreams,
          limits,
          actions: retained.actions.active(),
          history,
          now: Date.now()
        })
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
    cluster() {
      const { workers, ...status } = cluster.status()
      return { ...status, workers: workers.map(({ socket, ...worker }) => worker) }
    }
  }
  return views
}
