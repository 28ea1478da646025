import Fastify, { type FastifyInstance } from 'fastify'
import adminGuard, { type AdminGuardOptions } from '../plugins/admin-guard.ts'
import problem from '../plugins/problem.ts'
import type { Cluster } from './cluster.ts'

/** The operators' side of all workers together. */
export async function buildClusterAdmin(
  cluster: Cluster,
  guard: AdminGuardOptions
): Promise<FastifyInstance> {
  const admin = Fastify({ forceCloseConnections: true })
  await admin.register(problem)
  await admin.register(adminGuard, guard)
  admin.get('/livez', () => ({ status: 'live' }))
  admin.get('/readyz', (_request, reply) => {
    const { state } = cluster.status()
    if (state !== 'ready') reply.code(503)
    return { status: state }
  })
  admin.get('/cluster', () => cluster.status())
  admin.post('/reload', async (_request, reply) => {
    const outcome = await cluster.reload()
    return reply.code(outcome.outcome === 'done' ? 200 : 409).send(outcome)
  })
  return admin
}
