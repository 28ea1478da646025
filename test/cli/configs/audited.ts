import type { FastifyInstance } from 'fastify'
import Type, { type Static } from 'typebox'
import type { GatewayDefinition } from '../../../config/define-gateway.ts'
import compose from '../../../plugins/compose.ts'
import forward, { type ForwardRoute } from '../../../plugins/forward.ts'
import rateLimit from '../../../plugins/rate-limit.ts'
import transform from '../../../plugins/transform.ts'

/** Configs for each finding of the audit: one that has it, and a fixed one without findings. */
export const environment = Type.Object({ CASE: Type.String(), FIXED: Type.Optional(Type.String()) })

type Definition = GatewayDefinition
type Routes = (app: FastifyInstance) => Promise<void>

const things = 'things'
const others = 'others'
const tiers = { free: { limits: [{ limit: 100, window: 60_000 }] } }
const issuers = { shop: { issuer: 'https://id.example', audience: 'api' } }
const Anything = Type.Object({ id: Type.Optional(Type.String()) })

const forwarded =
  (route: Partial<ForwardRoute> = {}): Routes =>
  async app => {
    await app.register(forward)
    app.forward({ method: 'GET', url: '/', upstream: things, prefix: '/things', ...route })
  }
const scope = { prefix: '/things', routes: forwarded(), rateLimit: { address: 'free' } }
const base = { tiers, issuers, upstreams: { things: { url: 'http://things' } }, scopes: { things: scope } }

const transformed =
  (route: {
    bodyLimit?: number
    config?: object
    headers?: (id: unknown) => Record<string, string>
  }): Routes =>
  async app => {
    await app.register(transform)
    const { headers, ...options } = route
    app.transform({
      method: 'POST',
      url: '/',
      upstream: things,
      body: Anything,
      upstreamResponse: Anything,
      response: Anything,
      toUpstream: request => ({
        method: 'POST',
        path: '/things',
        ...(headers && { headers: headers(request.headers['x-user-id']) })
      }),
      toClient: answer => answer,
      ...options
    })
  }
const composed =
  (part: { timeout?: number }): Routes =>
  async app => {
    await app.register(compose)
    app.compose({
      url: '/',
      response: Anything,
      parts: { other: { upstream: others, upstreamResponse: Anything, path: () => '/', ...part } },
      toClient: () => ({})
    })
  }
const withOthers = { ...base.upstreams, others: { url: 'http://others' } }
const withRoutes = (routes: Routes, more: object = {}) => ({
  ...base,
  upstreams: withOthers,
  scopes: { things: { ...scope, routes, ...more } }
})
const withUpstream = (things: Record<string, unknown>) => ({
  ...base,
  upstreams: { things: { ...base.upstreams.things, ...things } }
})
const versioned = (v1: object, version: object = { header: 'accept-version' }) => ({
  ...base,
  scopes: {
    things: {
      prefix: '/{version}/things',
      versions: { v1: { routes: forwarded(), ...v1 }, v2: { routes: forwarded() } },
      version,
      rateLimit: { address: 'free' }
    }
  }
})
const authenticated = { prefix: '/all/orders', routes: forwarded({ url: '/:id' }), jwt: 'shop' }

const cases: Record<string, [faulty: unknown, fixed: unknown]> = {
  'admin-open': [
    { ...base, admin: { host: '0.0.0.0' } },
    { ...base, admin: { host: '0.0.0.0', token: `${process.pid} is long enough`.replaceAll(' ', '-') } }
  ],
  'trust-proxy-wide': [
    { ...base, trustProxy: ['0.0.0.0/1', '10.0.0.0/7', '10.1.0.0/16', '2000::/3'] },
    { ...base, trustProxy: ['10.0.0.0/8', '192.168.1.1', 'fd00::/64'] }
  ],
  'clock-tolerance-wide': [
    { ...base, issuers: { shop: { ...issuers.shop, clockTolerance: 3_600_000 } } },
    { ...base, issuers: { shop: { ...issuers.shop, clockTolerance: 5_000 } } }
  ],
  'body-limit-large': [
    { ...withRoutes(transformed({ bodyLimit: 104_857_600 })), bodyLimit: 1_073_741_824 },
    withRoutes(forwarded({ method: 'POST', bodyLimit: 1_073_741_824 }))
  ],
  'drain-short': [
    { ...base, drain: { timeout: 1_000 } },
    { ...base, drain: { timeout: 1_000 }, deadline: 1_000 }
  ],
  'redis-without-tls': [
    { ...base, redis: { url: `redis://:${process.pid}-secret@redis.example:6379` } },
    { ...base, redis: { url: `rediss://:${process.pid}-secret@redis.example:6379` } }
  ],
  'no-breaker': [
    withUpstream({ breaker: { failures: 1_000_000 } }),
    withUpstream({ breaker: { failures: 1_000_000, rate: { ratio: 0.5, minimumCalls: 20 } } })
  ],
  'attempts-beyond-deadline': [
    withUpstream({ timeout: 4_000, retry: { attempts: 2 } }),
    withUpstream({ timeout: 3_000, retry: { attempts: 2 } })
  ],
  'attempt-beyond-deadline': [withUpstream({ timeout: 12_000 }), withUpstream({ timeout: 8_000 })],
  'retry-unsafe': [
    withUpstream({ retry: { methods: ['GET', 'POST'] } }),
    withUpstream({ retry: { methods: ['GET', 'PUT'] } })
  ],
  'url-credentials': [
    withUpstream({ url: `http://gateway:${process.pid}-secret@things` }),
    withUpstream({ url: 'http://things' })
  ],
  'consumer-limit-public': [
    withRoutes(async app => {
      await app.register(rateLimit, { by: 'consumer', tier: 'free' })
      await forwarded()(app)
    }),
    withRoutes(
      async app => {
        await app.register(rateLimit, { by: 'consumer', tier: 'free' })
        await forwarded()(app)
      },
      { jwt: 'shop' }
    )
  ],
  'no-deadline': [
    withRoutes(transformed({ config: { deadline: 0 } })),
    withRoutes(forwarded({ config: { deadline: 0 } }))
  ],
  'part-beyond-deadline': [
    withRoutes(composed({ timeout: 10_000 })),
    withRoutes(composed({ timeout: 2_000 }))
  ],
  'part-without-timeout': [
    withRoutes(composed({})),
    {
      ...withRoutes(composed({})),
      upstreams: { ...withOthers, others: { url: 'http://others', timeout: 1_000 } }
    }
  ],
  'public-without-limit': [
    { ...base, scopes: { things: { prefix: '/things', routes: forwarded() } } },
    { ...base, scopes: { things: { prefix: '/things', routes: forwarded(), jwt: 'shop' } } }
  ],
  'public-over-private': [
    {
      ...base,
      scopes: { all: { ...scope, prefix: '/all', routes: forwarded({ url: '/*' }) }, authenticated }
    },
    {
      ...base,
      scopes: { all: { ...scope, prefix: '/open', routes: forwarded({ url: '/*' }) }, authenticated }
    }
  ],
  'identity-from-client': [
    withRoutes(transformed({ headers: id => ({ 'x-user-id': String(id) }) })),
    withRoutes(transformed({ headers: () => ({ 'x-user-id': 'nobody' }) }))
  ],
  'cors-insecure-origin': [
    withRoutes(forwarded(), { cors: { origins: ['http://app.example'], credentials: true } }),
    withRoutes(forwarded(), {
      cors: { origins: ['https://app.example', 'http://localhost:3000'], credentials: true }
    })
  ],
  'route-option-unknown': [
    withRoutes(async app => {
      await app.register(forward)
      const rest = { upstream: things, prefix: '/things', helmet: {}, rateLimit: {} }
      app.forward({ method: 'GET', url: '/', ...rest, ...{ edits: {}, deadline: 5_000, bodylimit: 9 } })
      app.websocket({ url: '/live', upstream: things, prefix: '/live', ...{ maxMesage: 1_000 } })
    }),
    withRoutes(async app => {
      await app.register(forward)
      const rest = { upstream: things, prefix: '/things', helmet: {}, rateLimit: {} }
      app.forward({ method: 'GET', url: '/', ...rest, edit: {}, config: { deadline: 5_000 }, bodyLimit: 9 })
      app.websocket({ url: '/live', upstream: things, prefix: '/live', maxMessage: 1_000 })
    })
  ],
  'sunset-past': [
    versioned({ deprecated: '2020-01-01T00:00:00Z', sunset: '2021-01-01T00:00:00Z' }),
    versioned({ deprecated: '2020-01-01T00:00:00Z', sunset: '2999-01-01T00:00:00Z' })
  ],
  'default-version-ends': [
    versioned({ deprecated: '2020-01-01T00:00:00Z' }, { header: 'accept-version', default: 'v1' }),
    versioned({ deprecated: '2020-01-01T00:00:00Z' }, { header: 'accept-version', default: 'v2' })
  ]
}

export const names = Object.keys(cases)

export default function audited({ CASE, FIXED }: Static<typeof environment>): Definition {
  return cases[CASE]?.[FIXED === undefined ? 0 : 1] as Definition
}
