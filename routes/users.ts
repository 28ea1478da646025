import type { FastifyInstance, FastifyRequest } from 'fastify'
import { forbidden, forward } from 'sluice'
import { UserParams } from '../schemas/users.ts'

/** User records, forwarded: users read their own, admins read all. */
export async function users(app: FastifyInstance) {
  await app.register(forward)

  app.forward({
    method: 'GET',
    url: '/:id',
    schema: { params: UserParams },
    preHandler: ownRecordOrAdmin as never,
    upstream: 'users',
    prefix: '/users'
  })
}

async function ownRecordOrAdmin({ params, user }: FastifyRequest<{ Params: { id: string } }>): Promise<void> {
  if (params.id !== user.sub && !user.roles.includes('admin')) throw forbidden()
}
