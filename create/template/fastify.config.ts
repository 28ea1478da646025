import { defineGateway, RedisUrl, TrustedUrl, Url, withDefault } from 'sluice'
import Type, { type Static, type TSchema } from 'typebox'
import { ordersV1 } from './routes/orders.v1.ts'
import { ordersV2 } from './routes/orders.v2.ts'
import { overview } from './routes/overview.ts'
import { products } from './routes/products.ts'

/** Environment variables of the gateway. The defaults are those of `npm run dev`. */
export const environment = Type.Object({
  HOST: withDefault(Type.String(), '127.0.0.1'),
  PORT: withDefault(Type.Integer({ minimum: 0, maximum: 65_535 }), 8080),
  ADMIN_HOST: withDefault(Type.String(), '127.0.0.1'),
  ADMIN_PORT: withDefault(Type.Integer({ minimum: 0, maximum: 65_535 }), 8081),
  /** Host names by which clients reach the admin API, separated by commas. */
  ADMIN_HOSTS: withDefault(Type.String(), ''),
  /** Bearer token of the admin API. Set it if ADMIN_HOST is not a loopback address. */
  ADMIN_TOKEN: Type.Optional(Type.String({ minLength: 16 })),
  /** ms for which a stopping gateway accepts requests, and ms that open requests get after that. */
  DRAIN_DELAY: withDefault(Type.Integer({ minimum: 0 }), 0),
  DRAIN_TIMEOUT: withDefault(Type.Integer({ minimum: 0 }), 10_000),
  LOG_LEVEL: withDefault(Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']), 'info'),
  ORDERS_URL: requiredInProduction(Url('http:', 'https:'), 'http://127.0.0.1:4001'),
  PRODUCTS_URL: requiredInProduction(Url('http:', 'https:'), 'http://127.0.0.1:4002'),
  JWT_ISSUER: requiredInProduction(TrustedUrl(), 'http://127.0.0.1:4000'),
  JWT_AUDIENCE: withDefault(Type.String(), 'api://gateway'),
  /** Shares the limits between gateways. */
  REDIS_URL: Type.Optional(RedisUrl()),
  /** Number of gateways that share the Redis. */
  GATEWAYS: withDefault(Type.Integer({ minimum: 1 }), 1),
  /** Proxies whose X-Forwarded-* headers are believed: addresses and ranges, separated by commas. */
  TRUST_PROXY: withDefault(Type.String(), '')
})

/** Without a default in production, a forgotten variable fails the start. The Dockerfile sets NODE_ENV. */
function requiredInProduction<Variable extends TSchema>(type: Variable, value: string): Variable {
  return process.env.NODE_ENV === 'production' ? type : withDefault(type, value)
}

const list = (value: string) => value.split(',').filter(Boolean)

const perMinute = (limit: number) => ({ limits: [{ limit, window: 60_000 }] })

export default function gateway(env: Static<typeof environment>) {
  return defineGateway({
    listen: { host: env.HOST, port: env.PORT },
    admin: {
      host: env.ADMIN_HOST,
      port: env.ADMIN_PORT,
      hosts: list(env.ADMIN_HOSTS),
      token: env.ADMIN_TOKEN
    },
    trustProxy: list(env.TRUST_PROXY),
    drain: { delay: env.DRAIN_DELAY, timeout: env.DRAIN_TIMEOUT },
    log: { level: env.LOG_LEVEL },
    upstreams: {
      orders: {
        url: env.ORDERS_URL,
        timeout: 3_000,
        retry: { attempts: 1 },
        breaker: { failures: 5, resetTimeout: 10_000 }
      },
      products: { url: env.PRODUCTS_URL, timeout: 2_000, retry: { attempts: 2 } }
    },
    issuers: {
      main: { issuer: env.JWT_ISSUER, audience: env.JWT_AUDIENCE }
    },
    // A token with the claim `tier` chooses one of these.
    tiers: {
      free: perMinute(100),
      premium: perMinute(10_000)
    },
    rateLimit: { gateways: env.GATEWAYS },
    redis: env.REDIS_URL === undefined ? undefined : { url: env.REDIS_URL },
    scopes: {
      products: { prefix: '/api/products', rateLimit: { address: 'free' }, routes: products },
      orders: {
        prefix: '/api/{version}/orders',
        jwt: 'main',
        rateLimit: { consumer: 'free' },
        versions: {
          v1: { routes: ordersV1, deprecated: '2026-11-01T00:00:00Z' },
          v2: { routes: ordersV2 }
        },
        version: { header: 'Accept-Version', default: 'v2' }
      },
      overview: { prefix: '/api/overview', jwt: 'main', rateLimit: { consumer: 'free' }, routes: overview }
    }
  })
}
