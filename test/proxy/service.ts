import type { FastifyInstance } from 'fastify'
import forward from '../../plugins/forward.ts'

export { until } from '../until.ts'

/** Forwards all requests of a scope to the upstream `orders`. */
export async function forwarding(app: FastifyInstance): Promise<void> {
  await app.register(forward)
  for (const url of ['/', '/:id'])
    app.forward({
      method: ['GET', 'PUT', 'POST', 'DELETE', 'PATCH'],
      url,
      upstream: 'orders',
      prefix: '/orders'
    })
}
