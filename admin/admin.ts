import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import Type, { type Static } from 'typebox'
import { limitStatus } from '../limits/limit-status.ts'
import jsonBody from '../plugins/json-body.ts'
import problem from '../plugins/problem.ts'
import { withDefault } from '../schemas/options/defaults.ts'
import { versionStatus } from '../versions/registry.ts'
import adminGuard, { type AdminGuardOptions } from './admin-guard.ts'
import { recorderRoutes } from './recorder-routes.ts'

export const VersionsQuery = Type.Object({
  top: withDefault(Type.Integer({ minimum: 0, maximum: 1_000 }), 20)
})

/**
 * The operators' side of a gateway, on a listener of its own: `/livez` (the process turns), `/readyz` (it takes
 * requests; 503 once it drains), `/limits` (where limits are counted, and their decisions), `/upstreams` (each one's
 * breaker, state and counts), `/versions` (each one's state, its calls, and the `?top=20` consumers who make most of
 * them), `/metrics` (Prometheus; for who accepts `application/json` alone, prom-client's JSON), and what the recorder
 * has: `/exchanges` and `/captures`. `guard`: the address that it will listen on, and the token that it asks for.
 */
export async function buildAdmin(
  gateway: FastifyInstance,
  isDraining: () => boolean,
  guard: AdminGuardOptions = { host: '127.0.0.1' }
): Promise<FastifyInstance> {
  const admin = await createAdminApp(guard, gateway.log)

  admin.get('/livez', () => ({ status: 'live' }))
  admin.get('/readyz', (_request, reply) => {
    if (isDraining()) reply.code(503)
    return { status: isDraining() ? 'draining' : 'ready' }
  })
  admin.get('/upstreams', () => gateway.upstreams.map(upstream => upstream.state()))
  admin.get('/limits', () => limitStatus(gateway))
  admin.get('/versions', { schema: { querystring: VersionsQuery } }, ({ query }) =>
    versionStatus(gateway, (query as Static<typeof VersionsQuery>).top)
  )
  const { metrics, recorder } = gateway
  if (recorder) await admin.register(recorderRoutes, { recorder })
  if (metrics)
    admin.get('/metrics', async ({ headers }, reply) =>
      headers.accept === 'application/json'
        ? metrics.getMetricsAsJSON()
        : reply.type(metrics.contentType).send(await metrics.metrics())
    )

  return admin
}

/** What a side for operators stands on: who may, and errors that say what went wrong. */
export async function createAdminApp(
  guard: AdminGuardOptions,
  log?: FastifyBaseLogger
): Promise<FastifyInstance> {
  const admin = Fastify({
    ...(log && { loggerInstance: log }),
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
    // What is not known is refused, not dropped.
    ajv: { customOptions: { removeAdditional: false } }
  })
  await admin.register(problem)
  await admin.register(jsonBody)
  await admin.register(adminGuard, guard)
  return admin
}
