import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import Type from 'typebox'
import { jwt, openapi, problem, rateLimit, scope, versions } from '../../index.ts'
import type { OpenApiDocument, Operation } from '../../openapi/document-types.ts'

async function documentsOf(t: Test, register: (app: FastifyInstance) => unknown) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(openapi, { info: { title: 'Things' } })
  await register(app)
  await app.ready()
  return app.openapi as NonNullable<typeof app.openapi>
}

t.test('an app is described by the schemas of its routes', async t => {
  const Thing = Type.Object({ id: Type.String(), size: Type.Integer() })
  const documents = await documentsOf(t, app => {
    app.addSchema({ $id: 'Colour', type: 'string', enum: ['red', 'blue'] })
    app.get('/things/:id', {
      schema: {
        summary: 'Read a thing',
        params: Type.Object({ id: Type.String({ maxLength: 9 }) }),
        querystring: { type: 'object', properties: { colour: { $ref: 'Colour#' } } },
        response: { 200: Thing }
      },
      handler: async () => ({ id: '1', size: 1 })
    })
    app.post('/things/:id(^\\d+$)/parts/*', async () => ({}))
    app.get('/secret', { schema: { hide: true } }, async () => ({}))
    app.get('/internal', { config: { openapi: false } }, async () => ({}))
  })
  const document = (await documents.document()) as OpenApiDocument
  t.equal(document.openapi, '3.1.0')
  t.same(document.info, { title: 'Things', version: '1.0.0' })
  t.same(Object.keys(document.paths), ['/things/{id}', '/things/{id}/parts/{wildcard}'])
  const read = document.paths['/things/{id}']?.get as Operation
  t.match(read, {
    summary: 'Read a thing',
    operationId: 'getThingsById',
    parameters: [
      { in: 'query', name: 'colour', schema: { $ref: '#/components/schemas/Colour' } },
      { in: 'path', name: 'id', required: true, schema: { type: 'string', maxLength: 9 } }
    ],
    responses: {
      200: {
        description: 'OK',
        content: { 'application/json': { schema: JSON.parse(JSON.stringify(Thing)) } }
      },
      400: { $ref: '#/components/responses/BadRequest' }
    }
  })
  t.match(document.components, {
    schemas: { Colour: { enum: ['red', 'blue'] }, Problem: { required: ['statusCode', 'error', 'message'] } },
    responses: { BadRequest: { content: { 'application/json': {} } } }
  })
  t.same(documents.versions(), [])
  t.equal(await documents.document('v1'), undefined)
  t.equal(await documents.document(), document, 'a document is kept')
})

t.test('tokens, limits, scopes and problems are described', async t => {
  const documents = await documentsOf(t, async app => {
    await app.register(problem)
    await app.register(
      async own => {
        await own.register(scope, { name: 'things' })
        await own.register(jwt, {
          name: 'corp',
          issuer: 'https://auth.example.com',
          audience: 'api://things'
        })
        await own.register(rateLimit, { by: 'consumer', name: 'few', limits: [{ limit: 9, window: 60_000 }] })
        own.get('/', { schema: { response: { 200: Type.String() } } }, async () => 'x')
      },
      { prefix: '/things' }
    )
  })
  const document = (await documents.document()) as OpenApiDocument
  t.match(document.paths['/things']?.get, {
    tags: ['things'],
    security: [{ corp: [] }, { 'corp-openid': [] }],
    'x-ratelimit': [{ by: 'consumer', tier: 'few', limits: [{ limit: 9, window: 60 }] }],
    responses: {
      200: { headers: { RateLimit: { $ref: '#/components/headers/RateLimit' } } },
      401: { $ref: '#/components/responses/Unauthorized' },
      429: { $ref: '#/components/responses/TooManyRequests' }
    }
  })
  t.match(document.components, {
    responses: {
      TooManyRequests: { headers: { 'Retry-After': {} }, content: { 'application/problem+json': {} } }
    },
    securitySchemes: {
      corp: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
      'corp-openid': {
        type: 'openIdConnect',
        openIdConnectUrl: 'https://auth.example.com/.well-known/openid-configuration'
      }
    }
  })
})

t.test('each version has a document that says how it is chosen', async t => {
  const routes = (name: string) => async (app: FastifyInstance) => {
    app.get('/:id', {
      schema: { operationId: 'readThing', response: { 200: Type.Object({ [name]: Type.String() }) } },
      handler: async () => ({})
    })
  }
  const documents = await documentsOf(t, async app => {
    await app.register(versions, {
      prefix: '/{version}/things',
      versions: {
        v1: { routes: routes('old'), deprecated: '2020-01-01T00:00:00Z', sunset: '2999-01-01T00:00:00Z' },
        v2: { routes: routes('new') }
      },
      version: { header: 'Accept-Version', mediaType: 'version', default: 'v2' }
    })
    app.get('/health', async () => ({}))
  })
  t.same(documents.versions(), ['v1', 'v2'])
  const [v1, v2, all] = (await Promise.all(
    ['v1', 'v2', undefined].map(version => documents.document(version))
  )) as [OpenApiDocument, OpenApiDocument, OpenApiDocument]

  t.equal(v1.info.title, 'Things v1')
  t.same(Object.keys(v1.paths), ['/v1/things/{id}', '/things/{id}', '/health'])
  t.match(v1.paths['/v1/things/{id}']?.get, {
    operationId: 'readThing',
    deprecated: true,
    'x-sunset': '2999-01-01T00:00:00Z',
    responses: { 200: { headers: { Deprecation: {}, Sunset: {} } }, 410: {} }
  })
  t.match(v1.paths['/things/{id}']?.get, {
    operationId: 'readThingChosen',
    description: '`Accept: application/json;version=v1` selects this version too.',
    parameters: [{}, { name: 'Accept-Version', in: 'header', required: true, schema: { enum: ['v1', '1'] } }]
  })
  t.match(v2.paths['/things/{id}']?.get?.parameters?.[1], { required: false, schema: { enum: ['v2', '2'] } })
  t.notOk(v2.paths['/v2/things/{id}']?.get?.deprecated)
  t.notOk(v2.paths['/v2/things/{id}']?.get?.responses[410], 'a version without an end has no 410')

  t.same(Object.keys(all.paths).sort(), ['/health', '/things/{id}', '/v1/things/{id}', '/v2/things/{id}'])
  t.equal(all.paths['/v1/things/{id}']?.get?.operationId, 'readThingV1')
  t.match(all.paths['/things/{id}']?.get, {
    operationId: 'readThingChosen',
    parameters: [{}, { name: 'Accept-Version', required: false, schema: { enum: ['v1', '1', 'v2', '2'] } }],
    responses: {
      200: {
        content: {
          'application/json': {
            schema: { anyOf: [{ properties: { old: {} } }, { properties: { new: {} } }] }
          }
        }
      }
    }
  })
})

t.test('wrong options are rejected with every fault', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(
    async () =>
      await app.register(openapi, {
        info: { titel: 'x' },
        public: 'docs',
        servers: [{ url: 'ftp://x' }]
      } as never),
    {
      code: 'SLUICE_INVALID_OPTIONS',
      message:
        /^openapi: (?=.*\/info\/titel is not known; did you mean title)(?=.*\/public must be a path)(?=.*\/servers\/0\/url must be a URL or a path)/
    }
  )
})
