import { type AuthenticatedInstance, type AuthenticatedRequest, forbidden, forward } from 'sluice'
import { UserParams } from '../schemas/users.ts'

/** User records, forwarded: users read their own, admins read all. */
export async function users(app: AuthenticatedInstance) {
  await app.register(forward)

  app.forward({
    method: 'GET',
    url: '/:id',
    schema: { params: UserParams },
    preHandler: ownRecordOrAdmin,
    upstream: 'users',
    prefix: '/users'
  })
}

async function ownRecordOrAdmin({
  params,
  user
}: AuthenticatedRequest<{ Params: { id: string } }>): Promise<void> {
  if (params.id !== user.sub && !user.roles.includes('admin')) throw forbidden()
}
