import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { resolveConfig } from '../../config/resolve-config.ts'
import shop from '../../fastify.config.ts'
import { buildGateway } from '../../gateway.ts'
import { createLogger } from '../../observe/logger.ts'
import forward from '../../plugins/forward.ts'
import { ordersV2 as orders } from '../../routes/orders.v2.ts'

/**
 * Sluice in front of a cheap upstream: the scopes of the example gateway, and one scope per pattern. OBSERVE names the
 * observers that are on, ROUTES the number of additional routes, TRACES the share of traces that is sampled.
 */
const { UPSTREAM = '', ISSUER = 'http://127.0.0.1:1', REDIS_URL, ROUTES = '0' } = process.env
const { OBSERVE = 'log,recorder,metrics', TRACES } = process.env
// Accepts anything, as cheaply as possible.
process.env.OTEL_EXPORTER_OTLP_ENDPOINT = UPSTREAM
const url = UPSTREAM
const example = shop({
  HOST: '127.0.0.1',
  PORT: 0,
  ADMIN_HOST: '127.0.0.1',
  ADMIN_PORT: 0,
  ADMIN_HOSTS: '',
  DRAIN_DELAY: 0,
  DRAIN_TIMEOUT: 10_000,
  USERS_URL: url,
  ORDERS_URL: url,
  PRODUCTS_URL: url,
  JWT_ISSUER: ISSUER,
  JWT_AUDIENCE: 'api://gateway',
  REDIS_URL,
  LOG_LEVEL: 'info'
})

// High enough to be checked and never reached.
const limits = [
  { limit: 100_000_000, window: 60_000 },
  { limit: 1_000_000_000, window: 3_600_000 }
]
const tiers = {
  free: { limits },
  standard: { limits },
  premium: { limits },
  exact: { limits, counting: 'exact' as const },
  exceeded: { limits: [{ limit: 1, window: 2_678_400_000 }] }
}

const definition = {
  ...example,
  tiers,
  upstreams: {
    ...example.upstreams,
    // Refuses connections.
    broken: { url: 'http://127.0.0.1:1', breaker: { failures: 1, resetTimeout: 3_600_000 } }
  },
  scopes: {
    ...example.scopes,
    plain: { prefix: '/plain', routes: plainAndMore },
    jwt: { prefix: '/jwt', routes: plain, jwt: 'shop' as const },
    limit: { prefix: '/limit', routes: plain, rateLimit: { address: 'premium' as const } },
    'limit-exact': { prefix: '/limit-exact', routes: plain, rateLimit: { address: 'exact' as const } },
    transform: { prefix: '/transform', routes: orders },
    // The token names the tier: premium or exact.
    everything: {
      prefix: '/everything',
      routes: orders,
      jwt: 'shop' as const,
      rateLimit: { consumer: 'premium' as const }
    },
    // Limits each address and each consumer.
    crowd: {
      prefix: '/crowd',
      routes: orders,
      jwt: 'shop' as const,
      rateLimit: { address: 'premium' as const, consumer: 'premium' as const }
    },
    rejected: { prefix: '/rejected', routes: plain, rateLimit: { address: 'exceeded' as const } },
    broken: { prefix: '/broken', routes: broken }
  },
  log: { level: OBSERVE.includes('log') ? ('info' as const) : ('silent' as const) },
  ...(TRACES !== undefined && { otel: {}, trace: { sample: Number(TRACES) } }),
  metrics: OBSERVE.includes('metrics'),
  recorder: { size: OBSERVE.includes('recorder') ? 1_000 : 0 },
  trustProxy: ['127.0.0.1'],
  bodyLimit: 2 ** 30
}

async function plain(app: FastifyInstance) {
  await app.register(forward)
  app.forward({ method: ['GET', 'POST'], url: '/:id', upstream: 'products', prefix: '/products' })
}

async function plainAndMore(app: FastifyInstance) {
  await plain(app)
  for (let i = 0; i < Number(ROUTES); i++)
    app.forward({ method: 'GET', url: `/route-${i}/:id/items`, upstream: 'products', prefix: '/products' })
}

async function broken(app: FastifyInstance) {
  await app.register(forward)
  app.forward({ method: 'GET', url: '/:id', upstream: 'broken', prefix: '' })
}

const config = resolveConfig({ default: definition }, {})
const gateway = await buildGateway(
  config,
  createLogger({ level: config.log.level, destination: '/dev/null' })
)
await gateway.listen({ port: 0, host: '127.0.0.1' })
process.on('SIGTERM', () => process.exit())
process.on('message', ({ id, collectGarbage }: { id: number; collectGarbage?: boolean }) => {
  if (collectGarbage) (globalThis as { gc?(): void }).gc?.()
  process.send?.({ id, state: { memory: process.memoryUsage() } })
})
process.send?.({ port: (gateway.server.address() as AddressInfo).port })
