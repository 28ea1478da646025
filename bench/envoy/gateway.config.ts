import type { FastifyInstance } from 'fastify'
import { defineGateway } from '../../config/define-gateway.ts'
import forward from '../../plugins/forward.ts'

/**
 * The gateway that is measured beside Envoy. FULL has it check tokens and limit consumers, and turns on log, metrics and
 * recorder; otherwise it forwards and does nothing else. Limits are counted in the supervisor.
 */
const { UPSTREAM = '', ISSUER = '', PORT, ADMIN_PORT, FULL } = process.env
const isFull = FULL !== undefined

export default defineGateway({
  listen: { port: Number(PORT) },
  admin: { port: Number(ADMIN_PORT) },
  log: { level: isFull ? 'info' : 'silent' },
  metrics: isFull,
  recorder: { size: isFull ? 1_000 : 0 },
  upstreams: { service: { url: UPSTREAM } },
  issuers: { bench: { issuer: ISSUER, audience: 'api://gateway' } },
  tiers: { high: { limits: [{ limit: 100_000_000, window: 60_000 }] } },
  scopes: {
    products: isFull
      ? { prefix: '/products', routes, jwt: 'bench', rateLimit: { consumer: 'high' } }
      : { prefix: '/products', routes }
  }
})

async function routes(app: FastifyInstance) {
  await app.register(forward)
  app.forward({ method: 'GET', url: '/:id', upstream: 'service' as never, prefix: '/products' })
}
