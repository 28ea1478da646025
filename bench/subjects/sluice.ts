import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import shop from '../../fastify.config.ts'
import { buildGateway, resolveConfig } from '../../gateway.ts'
import { createLogger } from '../../observe/logger.ts'
import forward from '../../plugins/forward.ts'
import { ordersV2 as orders } from '../../routes/orders.v2.ts'

/** Sluice before the cheap upstream: the reference gateway's scopes, and one scope a pattern. */
const { UPSTREAM = '', ISSUER = 'http://127.0.0.1:1', REDIS_URL, ROUTES = '0', QUIET } = process.env
/** Of what an exchange leaves behind: all of it, or with QUIET only what SEEN names. By semicolons: one gateway for each. */
const { SEEN = QUIET ? '' : 'line,recorder,metrics' } = process.env
const url = UPSTREAM
const reference = shop({
  HOST: '127.0.0.1',
  PORT: 0,
  ADMIN_PORT: 0,
  USERS_URL: url,
  ORDERS_URL: url,
  PRODUCTS_URL: url,
  JWT_ISSUER: ISSUER,
  JWT_AUDIENCE: 'api://gateway',
  REDIS_URL,
  LOG_LEVEL: 'info'
})

// Two limits that are checked and never reached.
const limits = [
  { limit: 100_000_000, window: 60_000 },
  { limit: 1_000_000_000, window: 3_600_000 }
]
const tiers = {
  free: { limits },
  standard: { limits },
  premium: { limits },
  exact: { limits, counting: 'exact' as const },
  closed: { limits: [{ limit: 1, window: 2_678_400_000 }] }
}

const definition = {
  ...reference,
  tiers,
  upstreams: {
    ...reference.upstreams,
    // Nobody listens there.
    broken: { url: 'http://127.0.0.1:1', breaker: { failures: 1, resetTimeout: 3_600_000 } }
  },
  scopes: {
    ...reference.scopes,
    plain: { prefix: '/plain', routes: many },
    jwt: { prefix: '/jwt', routes: plain, jwt: 'shop' as const },
    limit: { prefix: '/limit', routes: plain, rateLimit: { address: 'premium' as const } },
    'limit-exact': { prefix: '/limit-exact', routes: plain, rateLimit: { address: 'exact' as const } },
    transform: { prefix: '/transform', routes: orders },
    // By the tier that the token names: premium, or exact.
    everything: {
      prefix: '/everything',
      routes: orders,
      jwt: 'shop' as const,
      rateLimit: { consumer: 'premium' as const }
    },
    // Every address and every consumer has a limit.
    crowd: {
      prefix: '/crowd',
      routes: orders,
      jwt: 'shop' as const,
      rateLimit: { address: 'premium' as const, consumer: 'premium' as const }
    },
    refused: { prefix: '/refused', routes: plain, rateLimit: { address: 'closed' as const } },
    broken: { prefix: '/broken', routes: broken }
  }
}
async function plain(app: FastifyInstance) {
  await app.register(forward)
  app.forward({ method: ['GET', 'POST'], url: '/:id', upstream: 'products', prefix: '/products' })
}

/** With as many more as ROUTES says. */
async function many(app: FastifyInstance) {
  await plain(app)
  for (let i = 0; i < Number(ROUTES); i++)
    app.forward({ method: 'GET', url: `/route-${i}/:id/items`, upstream: 'products', prefix: '/products' })
}

async function broken(app: FastifyInstance) {
  await app.register(forward)
  app.forward({ method: 'GET', url: '/:id', upstream: 'broken' as 'products', prefix: '' })
}

const gateways = await Promise.all(
  SEEN.split(';').map(async seen => {
    const level = seen.includes('line') ? 'info' : 'silent'
    const config = resolveConfig(
      {
        default: {
          ...definition,
          log: { level },
          metrics: seen.includes('metrics'),
          recorder: { size: seen.includes('recorder') ? 1_000 : 0 },
          trustProxy: ['127.0.0.1'],
          bodyLimit: 2 ** 30
        }
      },
      {}
    )
    const gateway = await buildGateway(config, createLogger(level, '/dev/null'))
    await gateway.listen({ port: 0, host: '127.0.0.1' })
    return gateway
  })
)
const ports = gateways.map(({ server }) => (server.address() as AddressInfo).port)
process.send?.({ port: ports[0], ports })
process.on('SIGTERM', () => process.exit())
process.on('message', ({ ask, collect }: { ask: number; collect?: boolean }) => {
  if (collect) (globalThis as { gc?(): void }).gc?.()
  process.send?.({ to: ask, answer: { memory: process.memoryUsage() } })
})
