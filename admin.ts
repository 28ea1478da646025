import Fastify, { type FastifyInstance, LogController } from 'fastify'
import problem from './plugins/problem.ts'

/**
 * The operators' side of a gateway, on a listener of its own: `/livez` (the process turns), `/readyz` (it takes
 * requests; 503 once it drains) `/upstreams` (each one's breaker, state and counts) and `/metrics` (Prometheus).
 */
export async function buildAdmin(
  gateway: FastifyInstance,
  isDraining: () => boolean
): Promise<FastifyInstance> {
  const admin = Fastify({
    loggerInstance: gateway.log,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true
  })
  await admin.register(problem)

  admin.get('/livez', () => ({ status: 'live' }))
  admin.get('/readyz', (_request, reply) => {
    if (isDraining()) reply.code(503)
    return { status: isDraining() ? 'draining' : 'ready' }
  })
  admin.get('/upstreams', () => gateway.upstreams.map(upstream => upstream.state()))
  const { metrics } = gateway
  if (metrics)
    admin.get('/metrics', async (_request, reply) =>
      reply.type(metrics.contentType).send(await metrics.metrics())
    )

  return admin
}
