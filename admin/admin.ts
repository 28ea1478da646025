import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import { limitStatus } from '../limits/limit-status.ts'
import { counterSample, routeCounts } from '../observe/exchange-counts.ts'
import { chooseFormat, textOf } from '../observe/metrics-text.ts'
import { versionStatus } from '../versions/registry.ts'
import { createAdminApp, VersionsQuery } from './admin-app.ts'
import type { AdminGuardOptions } from './admin-guard.ts'
import { configRoutes } from './config-routes.ts'
import { credentialRoutes } from './credential-routes.ts'
import { openApiRoutes } from './openapi-routes.ts'
import { recorderRoutes } from './recorder-routes.ts'

/**
 * Builds the admin API of one gateway:
 *
 * - `/livez`, `/readyz`: the event loop runs; the gateway accepts requests (503 while draining)
 * - `/upstreams`, `/limits`: state and counters of breakers, endpoints and limits
 * - `/versions`: state and calls of each version, with the `?top=20` consumers that call it most
 * - `/metrics`: Prometheus' text format, OpenMetrics, or prom-client's JSON for `Accept: application/json`
 * - `/exchanges`, `/captures`: the recorder
 * - `/openapi.json`, `/openapi/VERSION.json`: the OpenAPI documents of all versions and of one
 * - `/routes`, `/config`: the routes with their patterns, and the config without secrets
 * - `/credentials`, `/counters`, `/route-counters`: for the supervisor
 *
 * @param guard address of the listener and the admin token
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
  await admin.register(credentialRoutes, { gateway })
  admin.get('/counters', () => counterSample(gateway))
  admin.get('/route-counters', () => routeCounts(gateway))
  const { metrics, openapi, recorder } = gateway
  if (openapi) await admin.register(openApiRoutes, { openapi })
  await admin.register(configRoutes, { gateway })
  if (recorder) await admin.register(recorderRoutes, { recorder })
  if (metrics)
    admin.get('/metrics', async ({ headers: { accept } }, reply) => {
      if (accept === 'application/json') return metrics.getMetricsAsJSON()
      const format = chooseFormat(accept)
      return reply.type(format).send(await textOf(metrics, format))
    })

  return admin
}
