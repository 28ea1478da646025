import type { FastifyInstance } from 'fastify'
import forward from '../../../plugins/forward.ts'

/** Everything under a scope, to the upstream `orders`. */
export async function forwarding(app: FastifyInstance): Promise<void> {
  await app.register(forward)
  for (const url of ['/', '/:id'])
    app.forward({
      method: ['GET', 'PUT', 'POST', 'DELETE', 'PATCH'],
      url,
      upstream: 'orders' as never,
      prefix: '/orders'
    })
}

/** Waits for what will be; a test that waits in vain fails by tap's own timeout. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 5))
}
