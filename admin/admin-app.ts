import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import Type from 'typebox'
import jsonBody from '../plugins/json-body.ts'
import problem from '../plugins/problem.ts'
import { withDefault } from '../schemas/options/defaults.ts'
import adminGuard, { type AdminGuardOptions, type AdminGuardState } from './admin-guard.ts'

export const VersionsQuery = Type.Object({
  top: withDefault(Type.Integer({ minimum: 0, maximum: 1_000 }), 20)
})

/**
 * Creates an app with the admin guard, problem responses and JSON bodies.
 * @param state sessions that outlive this app
 */
export async function createAdminApp(
  guard: AdminGuardOptions,
  log?: FastifyBaseLogger,
  state?: AdminGuardState
): Promise<FastifyInstance> {
  const admin = Fastify({
    ...(log && { loggerInstance: log }),
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
    // Reject unknown query parameters instead of dropping them.
    ajv: { customOptions: { removeAdditional: false } }
  })
  await admin.register(problem)
  await admin.register(jsonBody)
  await admin.register(adminGuard, { ...guard, ...(state && { state }) })
  return admin
}
