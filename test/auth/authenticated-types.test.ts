import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import {
  type AuthenticatedInstance,
  type AuthenticatedRequest,
  compose,
  defineAuthenticatedTransform,
  defineGateway,
  defineTransform,
  forward,
  path,
  step,
  transform
} from 'sluice'
import t from 'tap'
import Type from 'typebox'

/** Checked by the compiler: `@ts-expect-error` fails without an error. */

const User = Type.Object({ id: Type.String() })
const user = { upstream: 'users', upstreamResponse: User, response: User }
const toClient = ({ id }: { id: string }) => ({ id })

async function anonymous(app: FastifyInstance) {
  await app.register(transform)
  await app.register(compose)
  app.get('/', async request => {
    // @ts-expect-error may be undefined
    return request.user.sub
  })
  app.get('/', async request => request.user?.sub)
  app.transform({
    ...user,
    method: 'GET',
    url: '/',
    toClient,
    // @ts-expect-error may be undefined
    toUpstream: request => ({ method: 'GET', path: path`/${request.user.sub}` })
  })
  app.compose({
    url: '/',
    response: User,
    // @ts-expect-error may be undefined
    parts: { user: { ...user, required: true, path: request => path`/${request.user.sub}` } },
    toClient: parts => parts.user
  })
  // @ts-expect-error needs a user
  app.transform(readMe)
}

async function authenticated(app: AuthenticatedInstance) {
  await app.register(transform)
  await app.register(compose)
  await app.register(forward)
  app.get('/', async request => request.user.sub)
  app.get('/', (request, reply) => reply.send(request.user.sub))
  app.get<{ Params: { id: string } }>('/:id', { preHandler: owner }, async ({ params, user }) => {
    return params.id + user.sub
  })
  app.route({ method: 'GET', url: '/', handler: async request => request.user.sub })
  app.addHook('preHandler', async request => request.user.sub)
  app.addHook('onSend', async request => {
    // @ts-expect-error the response may be a 401
    return request.user.sub
  })
  app.addHook('onReady', async () => {})
  app
    .withTypeProvider<TypeBoxTypeProvider>()
    .post('/', { schema: { body: User } }, async ({ user, body }) => user.sub + body.id)
  app.transform({
    ...user,
    method: 'GET',
    url: '/',
    toClient,
    toUpstream: request => ({ method: 'GET', path: path`/${request.user.sub}` })
  })
  app.transform(readMe)
  app.transform(step(readMe, { url: '/old' }))
  app.transform(readOne)
  app.compose({
    url: '/',
    response: User,
    parts: { user: { ...user, required: true, path: request => path`/${request.user.sub}` } },
    toClient: parts => parts.user
  })
  app.forward({ method: 'GET', url: '/:id', upstream: 'users', prefix: '', preHandler: owner })
  await anonymous(app)
}

const readMe = defineAuthenticatedTransform({
  ...user,
  method: 'GET',
  url: '/me',
  toClient,
  toUpstream: request => ({ method: 'GET', path: path`/${request.user.sub}` })
})

const readOne = defineTransform({
  ...user,
  method: 'GET',
  url: '/:id',
  toClient,
  toUpstream: request => ({ method: 'GET', path: path`/${request.user?.sub ?? 'anonymous'}` })
})

async function owner({ params, user }: AuthenticatedRequest<{ Params: { id: string } }>) {
  if (params.id !== user.sub) throw new Error('not the owner')
}

async function typed(_app: FastifyInstance<any, any, any, any, TypeBoxTypeProvider>) {}

t.test('request.user is defined in the routes of a scope with jwt, and only there', async t => {
  const issuers = { main: { issuer: 'https://id.example', audience: 'api' } }
  defineGateway({
    issuers,
    scopes: {
      open: { prefix: '/open', routes: anonymous },
      typed: { prefix: '/typed', routes: typed },
      private: { prefix: '/private', routes: authenticated, jwt: 'main' },
      both: { prefix: '/both', routes: anonymous, jwt: 'main' },
      inline: {
        prefix: '/inline',
        routes: async app => {
          app.get('/', async request => request.user.sub)
        },
        jwt: 'main'
      },
      version: {
        prefix: '/{version}/inline',
        jwt: 'main',
        versions: {
          v1: {
            routes: async app => {
              app.get('/', async request => request.user.sub)
            }
          }
        }
      }
    }
  })
  // Each fault in a config of its own: others would hide it.
  // @ts-expect-error the routes need jwt
  defineGateway({ scopes: { wrong: { prefix: '/wrong', routes: authenticated } } })
  const versions = { v1: { routes: authenticated } }
  // @ts-expect-error the version's routes need jwt
  defineGateway({ scopes: { wrong: { prefix: '/{version}/wrong', versions } } })
  defineGateway({
    scopes: {
      open: {
        prefix: '/open',
        routes: async app => {
          app.get('/', async request => {
            // @ts-expect-error may be undefined
            return request.user.sub
          })
        }
      }
    }
  })
  t.pass('checked by tsc')
})
