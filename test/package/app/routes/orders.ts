import type { FastifyInstance } from 'fastify'
import { forward } from 'sluice'

export async function orders(app: FastifyInstance) {
  await app.register(forward)
  app.forward({ method: 'GET', url: '/:id', upstream: 'orders', prefix: '/orders' })
}
