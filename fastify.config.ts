import { join } from 'node:path'
import { defineGateway, RedisUrl, TrustedUrl, Url, withDefault } from 'sluice'
import Type, { type Static } from 'typebox'
import { dashboard } from './routes/dashboard.ts'
import { ordersV1 } from './routes/orders.v1.ts'
import { ordersV2 } from './routes/orders.v2.ts'
import { products } from './routes/products.ts'
import { users } from './routes/users.ts'

/** Environment variables of the gateway. All are optional. */
export const environment = Type.Object({
  HOST: withDefault(Type.String(), '127.0.0.1'),
  PORT: withDefault(Type.Integer({ minimum: 0, maximum: 65_535 }), 8080),
  ADMIN_HOST: withDefault(Type.String(), '127.0.0.1'),
  ADMIN_PORT: withDefault(Type.Integer({ minimum: 0, maximum: 65_535 }), 8081),
  /** Host names by which clients reach the admin API, separated by commas. */
  ADMIN_HOSTS: withDefault(Type.String(), ''),
  /** Bearer token of the admin API. Set it if ADMIN_HOST is not a loopback address. */
  ADMIN_TOKEN: Type.Optional(Type.String({ minLength: 16 })),
  /** ms of `drain`. Set them to what load balancers and the process manager wait for. */
  DRAIN_DELAY: withDefault(Type.Integer({ minimum: 0 }), 0),
  DRAIN_TIMEOUT: withDefault(Type.Integer({ minimum: 0 }), 10_000),
  USERS_URL: withDefault(Url('http:', 'https:'), 'http://127.0.0.1:4001'),
  ORDERS_URL: withDefault(Url('http:', 'https:'), 'http://127.0.0.1:4002'),
  PRODUCTS_URL: withDefault(Url('http:', 'https:'), 'http://127.0.0.1:4003'),
  JWT_ISSUER: withDefault(TrustedUrl(), 'http://127.0.0.1:4000'),
  JWKS_URI: Type.Optional(TrustedUrl()),
  JWT_AUDIENCE: withDefault(Type.String(), 'api://gateway'),
  REDIS_URL: Type.Optional(RedisUrl()),
  /** Receiver of traces; unset turns them off. */
  OTEL_EXPORTER_OTLP_ENDPOINT: Type.Optional(Url('http:', 'https:')),
  LOG_LEVEL: withDefault(Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']), 'info')
})

/** Folder of the services' OpenAPI documents. */
const schemas = join(import.meta.dirname, 'schemas')

const perMinute = (limit: number) => ({ limits: [{ limit, window: 60_000 }] })

/** The example gateway of a shop. Start your own by editing this file. */
export default function shop(env: Static<typeof environment>) {
  return defineGateway({
    listen: { host: env.HOST, port: env.PORT },
    admin: {
      host: env.ADMIN_HOST,
      port: env.ADMIN_PORT,
      hosts: env.ADMIN_HOSTS.split(',').filter(Boolean),
      token: env.ADMIN_TOKEN
    },
    drain: { delay: env.DRAIN_DELAY, timeout: env.DRAIN_TIMEOUT },
    log: { level: env.LOG_LEVEL },
    otel: env.OTEL_EXPORTER_OTLP_ENDPOINT === undefined ? undefined : {},
    openapi: {
      info: {
        title: 'Shop API',
        license: { name: 'MIT', identifier: 'MIT' }
      }
    },
    upstreams: {
      users: { url: env.USERS_URL, openapi: join(schemas, 'users.yaml') },
      orders: { url: env.ORDERS_URL },
      products: { url: env.PRODUCTS_URL, openapi: join(schemas, 'products.yaml') }
    },
    issuers: {
      shop: { issuer: env.JWT_ISSUER, jwksUri: env.JWKS_URI, audience: env.JWT_AUDIENCE }
    },
    tiers: {
      free: perMinute(100),
      standard: perMinute(1_000),
      premium: perMinute(10_000)
    },
    redis: env.REDIS_URL === undefined ? undefined : { url: env.REDIS_URL },
    scopes: {
      orders: {
        prefix: '/api/{version}/orders',
        versions: {
          v1: { routes: ordersV1, deprecated: '2026-11-01T00:00:00Z', sunset: '2027-11-01T00:00:00Z' },
          v2: { routes: ordersV2 }
        },
        version: { header: 'Accept-Version', mediaType: 'version', default: 'v2' },
        jwt: 'shop',
        rateLimit: { consumer: 'free' }
      },
      dashboard: {
        prefix: '/api/v1/dashboard',
        routes: dashboard,
        jwt: 'shop',
        rateLimit: { consumer: 'free' }
      },
      users: { prefix: '/api/v1/users', routes: users, jwt: 'shop', rateLimit: { consumer: 'free' } },
      products: { prefix: '/api/v1/products', routes: products, rateLimit: { address: 'free' } }
    }
  })
}
