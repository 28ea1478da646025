import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { createAdminApp } from '../admin/admin-app.ts'
import type { AdminGuardOptions } from '../admin/admin-guard.ts'
import { dashboardRoutes } from '../admin/dashboard-routes.ts'
import { collectEndpoints } from '../admin/endpoint-index.ts'
import { sessionRoutes } from '../admin/session-routes.ts'
import { createProblem } from '../http/problem.ts'
import { chooseFormat, type Metrics } from '../observe/metrics-text.ts'
import { version } from '../package-version.ts'
import { actionRoutes } from './action-routes.ts'
import { clusterMetrics } from './cluster-metrics.ts'
import { openApiRoutes } from './cluster-openapi.ts'
import { recorderRoutes } from './cluster-recorder.ts'
import type { Cluster } from './cluster-types.ts'
import { logLevelRoutes } from './log-level-routes.ts'
import { countersOf, gaugesOf, toText } from './merge/metrics.ts'
import { createRetainedState, type RetainedState } from './retained-state.ts'
import stateRoutes from './state-routes.ts'
import { createViews } from './views.ts'
import { askAll, read, relay, successes } from './worker-requests.ts'

const ReloadFailed = createProblem('SLUICE_RELOAD_FAILED', 'The reload failed; the old workers stay', 409)

/**
 * Builds the admin API of the whole cluster: it merges the responses of the workers' admin APIs (admin/admin.ts), and adds
 * the supervisor's own state, the dashboard and its logins. A worker that does not respond within a second is missing
 * from the result and named in `Sluice-Missing`; its last known counters still count.
 *
 * @param retained state that outlives this app
 */
export async function buildClusterAdmin(
  cluster: Cluster,
  guard: AdminGuardOptions,
  retained: RetainedState = createRetainedState(cluster),
  log?: FastifyBaseLogger
): Promise<FastifyInstance> {
  const admin = await createAdminApp(guard, log, retained.guard)
  const index = collectEndpoints(admin)

  await admin.register(dashboardRoutes, { index })
  await admin.register(sessionRoutes, retained.guard)
  admin.get('/livez', () => ({ status: 'live' }))
  admin.get('/readyz', (_request, reply) => {
    const { state } = cluster.status()
    if (state !== 'ready') reply.code(503)
    return { status: state }
  })
  admin.get('/version', () => {
    const { pid, startedAt, generation } = cluster.status()
    return { version, node: process.version, pid, startedAt: new Date(startedAt).toISOString(), generation }
  })
  admin.post('/reload', { config: { isPrivate: true } }, async ({ log, operator }) => {
    log.info({ operator }, 'reload requested')
    const result = await cluster.reload({ by: 'admin', operator: operator?.name })
    if (result.outcome === 'done') return result
    const { reason, at, duration, generation } = result
    throw new ReloadFailed({ members: { reason, at, duration, generation } })
  })

  admin.get('/routes', { config: { isPrivate: true } }, (_request, reply) => relay(cluster, '/routes', reply))
  admin.get('/config', { config: { isPrivate: true } }, (_request, reply) => relay(cluster, '/config', reply))
  admin.get('/metrics', async ({ headers }, reply) => {
    const options = { headers: { accept: 'application/json' } }
    const metrics = successes(await askAll(cluster, reply, '/metrics', options)).map(response => {
      const all = read<Metrics>(response)
      retained.metrics.update(response.worker.id, countersOf(all))
      return gaugesOf(all)
    })
    const parts = [...retained.metrics.parts(), ...metrics, await clusterMetrics(cluster.status())]
    const format = chooseFormat(headers.accept)
    return reply.type(format).send(await toText(parts, format))
  })
  await admin.register(openApiRoutes, { cluster })
  await admin.register(logLevelRoutes, { cluster })
  await admin.register(recorderRoutes, { cluster, retained })
  const views = createViews(cluster, retained)
  await admin.register(stateRoutes, { views, retained })
  await admin.register(actionRoutes, { views, retained })
  return admin
}
