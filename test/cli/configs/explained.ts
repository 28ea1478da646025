import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import type { AuthenticatedInstance, AuthenticatedRequest } from '../../../auth/authenticated.ts'
import { forbidden } from '../../../auth/token-errors.ts'
import type { GatewayDefinition } from '../../../config/define-gateway.ts'
import compose from '../../../plugins/compose.ts'
import forward from '../../../plugins/forward.ts'
import rateLimit from '../../../plugins/rate-limit.ts'
import transform from '../../../plugins/transform.ts'
import { path } from '../../../proxy/path-template.ts'

/** Every pattern once. The services do not exist: connecting to them would fail or hang. */
const things = 'things'
const others = 'others'
const canary = 'canary'
const Thing = Type.Object({ id: Type.String() }, { additionalProperties: false })

async function forwarded(app: FastifyInstance) {
  await app.register(forward)
  app.forward({
    method: ['GET', 'POST'],
    url: '/:id',
    upstream: things,
    prefix: '/internal',
    schema: { querystring: Type.Object({ limit: Type.Optional(Type.Integer()) }) },
    edit: {
      request: { headers: { set: { 'x-gateway': 'yes' }, remove: ['cookie'] }, query: { remove: ['debug'] } }
    }
  })
  app.forward({ method: 'GET', url: '/reset/:token', upstream: canary, prefix: '/internal' })
  app.websocket({ url: '/feed', upstream: things, prefix: '/internal' })
}

async function private_(app: AuthenticatedInstance) {
  await app.register(transform)
  await app.register(compose)
  app.transform({
    method: 'POST',
    url: '/',
    upstream: others,
    body: Thing,
    upstreamResponse: Thing,
    response: Thing,
    bodyLimit: 64,
    config: { deadline: 2_500 },
    toUpstream: ({ body, user }) => ({
      method: 'PUT',
      path: path`/things/${body.id}`,
      body: { by: user.sub, secret: 'x' }
    }),
    toClient: answer => answer
  })
  app.compose({
    url: '/page',
    response: Type.Object({}),
    parts: {
      one: {
        upstream: things,
        required: true,
        upstreamResponse: Thing,
        path: ({ user }) => path`/one/${user.sub}`
      },
      two: { upstream: others, upstreamResponse: Thing, path: () => '/two?token=abc', timeout: 500 }
    },
    toClient: () => ({})
  })
  app.get('/own', { preHandler: admins }, async () => {
    throw new Error('this handler must not run')
  })
}

async function admins({ user }: AuthenticatedRequest): Promise<void> {
  if (!user.roles.includes('admin')) throw forbidden()
}

const prefix = '/{version}/old'
export default {
  listen: { host: '127.0.0.1', port: 8080 },
  redis: { url: 'redis://redis.invalid' },
  tiers: {
    free: {
      limits: [
        { limit: 10, window: 1_000 },
        { limit: 100, window: 60_000 }
      ]
    },
    gold: { limits: [{ limit: 1_000, window: 60_000 }] }
  },
  issuers: { shop: { issuer: 'https://id.invalid', audience: 'api' } },
  overload: {},
  upstreams: {
    things: { url: 'http://things.invalid/base', health: { path: '/' } },
    others: {
      dns: { name: 'others.invalid', port: 80, servers: ['127.0.0.1:1'] },
      timeout: 800,
      retry: { attempts: 2 },
      breaker: { rate: { ratio: 0.5, minimumCalls: 10 } },
      mirror: { to: 'things' }
    },
    canary: {
      endpoints: [{ url: 'http://a.invalid' }, { url: 'unix:/run/b.sock' }],
      split: { to: { things: 100 } }
    }
  },
  scopes: {
    open: {
      prefix: '/open',
      routes: forwarded,
      ipFilter: { deny: ['192.0.2.0/24'] },
      cors: { origins: ['https://app.example'] },
      rateLimit: { address: 'free' },
      priority: 'low'
    },
    private: {
      prefix: '/private',
      routes: private_,
      jwt: 'shop',
      rateLimit: { address: 'gold', consumer: 'free' }
    },
    old: {
      prefix,
      versions: {
        v1: { routes: forwarded, deprecated: '2020-01-01T00:00:00Z', sunset: '2021-01-01T00:00:00Z' },
        v2: { routes: forwarded, deprecated: '2020-01-01T00:00:00Z', sunset: '2999-01-01T00:00:00Z' },
        v3: { routes: forwarded }
      },
      version: { header: 'accept-version', default: 'v3' }
    },
    twice: {
      prefix: '/twice',
      routes: async app => {
        // As a plugin with keys of its own does; here nobody has one.
        app.decorateRequest('user')
        await app.register(rateLimit, { by: 'consumer', tier: 'free' })
        await forwarded(app)
      }
    }
  }
} satisfies GatewayDefinition
