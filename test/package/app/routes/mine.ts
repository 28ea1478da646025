import { type AuthenticatedInstance, path, transform } from 'sluice'
import Type from 'typebox'

const Order = Type.Object({ id: Type.String() })

export async function mine(app: AuthenticatedInstance) {
  await app.register(transform)
  app.get('/me', async ({ user }) => ({ id: user.sub }))
  app.transform({
    method: 'GET',
    url: '/latest',
    upstream: 'orders',
    upstreamResponse: Order,
    response: Order,
    toUpstream: ({ user }) => ({ method: 'GET', path: path`/users/${user.sub}/latest` }),
    toClient: ({ id }) => ({ id })
  })
}
