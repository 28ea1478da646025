import createError from '@fastify/error'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { prometheusContentType } from 'prom-client'
import type { Static } from 'typebox'
import { createAdminApp, VersionsQuery } from '../admin/admin.ts'
import type { AdminGuardOptions } from '../admin/admin-guard.ts'
import type { ProblemError } from '../http/problem.ts'
import type { LimitStatus } from '../limits/limit-status.ts'
import type { UpstreamState } from '../proxy/upstream.ts'
import type { VersionStatus } from '../versions/registry.ts'
import { MAX_CONSUMERS } from '../versions/usage.ts'
import { recorderRoutes } from './cluster-recorder.ts'
import type { Cluster } from './cluster-types.ts'
import { createKept, type Kept } from './ended-workers.ts'
import { mergeLimits } from './merge/limits.ts'
import { countersOf, gaugesOf, type Metrics, toText } from './merge/metrics.ts'
import { mergeUpstreams } from './merge/upstreams.ts'
import { countsOf, mergeVersions } from './merge/versions.ts'
import { askAll, read, successes } from './worker-requests.ts'

const ReloadFailed = createError(
  'SLUICE_RELOAD_FAILED',
  'Nothing was reloaded: the workers are those from before',
  409,
  Error,
  false
)

/**
 * The operators' side of all workers together: what admin.ts has of one process, summed up and merged, and besides
 * `/cluster` (the processes) and `POST /reload`. A worker that does not answer within a second is left out, and named in
 * `Sluice-Missing`; what it had counted when it was last heard stays in the sums. `kept`: what is to outlive this app.
 */
export async function buildClusterAdmin(
  cluster: Cluster,
  guard: AdminGuardOptions,
  kept: Kept = createKept(cluster),
  log?: FastifyBaseLogger
): Promise<FastifyInstance> {
  const admin = await createAdminApp(guard, log)

  admin.get('/livez', () => ({ status: 'live' }))
  admin.get('/readyz', (_request, reply) => {
    const { state } = cluster.status()
    if (state !== 'ready') reply.code(503)
    return { status: state }
  })
  admin.get('/cluster', () => {
    const { workers, ...status } = cluster.status()
    return { ...status, workers: workers.map(({ socket, ...worker }) => worker) }
  })
  admin.post('/reload', { config: { isPrivate: true } }, async () => {
    const result = await cluster.reload()
    if (result.outcome === 'done') return result
    const error: ProblemError = new ReloadFailed()
    const { reason, at, duration, generation } = result
    error.problem = { reason, at, duration, generation }
    throw error
  })

  admin.get('/upstreams', async (_request, reply) => {
    const answers = successes(await askAll(cluster, reply, '/upstreams'))
    return mergeUpstreams(
      answers.map(answer => ({ worker: answer.worker.id, state: read<UpstreamState[]>(answer) }))
    )
  })
  admin.get('/limits', async (_request, reply) => {
    const answers = successes(await askAll(cluster, reply, '/limits'))
    return mergeLimits(
      answers.map(answer => ({ worker: answer.worker.id, state: read<LimitStatus>(answer) }))
    )
  })
  admin.get('/versions', { schema: { querystring: VersionsQuery } }, async ({ query }, reply) => {
    const answers = successes(await askAll(cluster, reply, `/versions?top=${MAX_CONSUMERS}`))
    let newest: VersionStatus[] = []
    for (const answer of answers) {
      newest = read<VersionStatus[]>(answer)
      kept.versions.heard(answer.worker.id, countsOf(newest))
    }
    return mergeVersions(newest, kept.versions.parts(), (query as Static<typeof VersionsQuery>).top)
  })
  admin.get('/metrics', async (_request, reply) => {
    const question = { headers: { accept: 'application/json' } }
    const metrics = successes(await askAll(cluster, reply, '/metrics', question)).map(answer => {
      const all = read<Metrics>(answer)
      kept.metrics.heard(answer.worker.id, countersOf(all))
      return gaugesOf(all)
    })
    return reply.type(prometheusContentType).send(await toText([...kept.metrics.parts(), ...metrics]))
  })
  await admin.register(recorderRoutes, { cluster, kept })
  return admin
}
