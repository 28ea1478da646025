import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import pino from 'pino'
import shop from '../../fastify.config.ts'
import { buildGateway, resolveConfig } from '../../gateway.ts'
import forward from '../../plugins/forward.ts'

/** The reference gateway before the cheap upstream, with limits that are checked and never reached, and a plain route. */
const { UPSTREAM = '', ISSUER = 'http://127.0.0.1:1', REDIS_URL, PORT = '0' } = process.env
const definition = shop({
  HOST: '127.0.0.1',
  PORT: 0,
  ADMIN_PORT: 0,
  USERS_URL: UPSTREAM,
  ORDERS_URL: UPSTREAM,
  PRODUCTS_URL: UPSTREAM,
  JWT_ISSUER: ISSUER,
  JWT_AUDIENCE: 'api://gateway',
  REDIS_URL,
  LOG_LEVEL: 'info'
})
const unreached = { limits: [{ limit: 1_000_000_000, window: 60_000 }] }
const tiers = { free: unreached, standard: unreached, premium: unreached }
const scopes = { ...definition.scopes, plain: { prefix: '/plain', routes: plain } }

async function plain(app: FastifyInstance) {
  await app.register(forward)
  app.forward({ method: 'GET', url: '/:id', upstream: 'products', prefix: '/products' })
}

const logger = pino({ level: 'info' }, pino.destination({ dest: '/dev/null', sync: false }))
const gateway = await buildGateway(resolveConfig({ default: { ...definition, tiers, scopes } }, {}), logger)
await gateway.listen({ port: Number(PORT), host: '127.0.0.1' })
process.send?.({ port: (gateway.server.address() as AddressInfo).port })
