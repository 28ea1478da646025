import type { FastifyInstance } from 'fastify'
import { forward } from 'sluice'

/** The public catalogue, forwarded. */
export async function products(app: FastifyInstance) {
  await app.register(forward)
  app.forward({ method: 'GET', url: '/', upstream: 'products', prefix: '/products' })
  app.forward({ method: 'GET', url: '/:id', upstream: 'products', prefix: '/products' })
}
