import type { FastifyInstance } from 'fastify'
import { forward } from 'sluice'

/** The catalogue, forwarded, for everybody. */
export async function products(app: FastifyInstance) {
  await app.register(forward)

  app.forward({ method: 'GET', url: '/', upstream: 'products', prefix: '/products' })
  app.forward({ method: 'GET', url: '/:id', upstream: 'products', prefix: '/products' })
}
