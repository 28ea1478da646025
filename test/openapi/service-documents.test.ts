import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import Type from 'typebox'
import type { GatewayDefinition } from '../../config/define-gateway.ts'
import { forward, transform } from '../../index.ts'
import type { OpenApiDocument } from '../../openapi/document-types.ts'
import { readServiceDocument } from '../../openapi/service-document.ts'
import { startGateway } from '../harness.ts'

const ORDERS = `
openapi: 3.0.3
info: { title: Orders, version: 1.0.0 }
servers: [{ url: 'https://orders.internal/{stage}', variables: { stage: { default: v3 } } }]
security: [{ key: [] }]
paths:
  /orders:
    parameters: [{ $ref: '#/components/parameters/Trace' }]
    get:
      operationId: listOrders
      tags: [internal]
      servers: [{ url: 'https://elsewhere.internal' }]
      parameters: [{ name: limit, in: query, schema: { type: integer, minimum: 0, exclusiveMinimum: true } }]
      responses:
        200:
          description: A page
          content: { application/json: { schema: { type: array, items: { $ref: '#/components/schemas/Order' } } } }
        404: { $ref: '#/components/responses/Missing' }
    delete: { responses: { 204: { description: Gone } } }
  /orders/{orderId}:
    get:
      operationId: readOrder
      parameters: [{ name: orderId, in: path, required: true, schema: { type: string } }]
      responses:
        200: { description: One, content: { application/json: { schema: { $ref: '#/components/schemas/Order' } } } }
  /orders/{orderId}/items:
    get: { responses: { 200: { description: Items } } }
  /health:
    get: { responses: { 200: { description: Alive } } }
components:
  parameters: { Trace: { name: x-trace, in: header, schema: { type: string } } }
  responses:
    Missing: { description: None, content: { application/json: { schema: { $ref: '#/components/schemas/Fault' } } } }
  schemas:
    Order:
      type: object
      properties:
        note: { type: string, nullable: true, example: gift }
        parent: { nullable: true, $ref: '#/components/schemas/Order' }
        pet: { oneOf: [{ $ref: '#/components/schemas/Fault' }], discriminator: { propertyName: kind, mapping: { f: Fault } } }
    Fault: { type: object }
    Problem: { type: string }
    Unused: { type: object }
  securitySchemes: { key: { type: apiKey, in: header, name: x-key } }
`

async function documentOf(t: Test, definition: GatewayDefinition): Promise<OpenApiDocument> {
  const { gateway } = await startGateway(t, definition)
  return (await gateway.openapi?.document()) as OpenApiDocument
}

const write = (t: Test, content: string, name = 'orders.yaml') => {
  const file = join(t.testdir(), name)
  writeFileSync(file, content)
  return file
}

t.test('a forwarded route takes over what it forwards of the document of its service', async t => {
  const document = await documentOf(t, {
    upstreams: { orders: { url: 'http://127.0.0.1:9/v3', openapi: write(t, ORDERS) } },
    scopes: {
      orders: {
        prefix: '/api/v1/orders',
        routes: async app => {
          await app.register(forward)
          app.forward({ method: 'GET', url: '/', upstream: 'orders', prefix: '/orders' })
          app.forward({ method: 'GET', url: '/:id', upstream: 'orders', prefix: '/orders' })
          app.forward({ method: 'POST', url: '/import', upstream: 'orders', prefix: '/orders' })
        }
      }
    }
  })
  t.same(Object.keys(document.paths).sort(), [
    '/api/v1/orders',
    '/api/v1/orders/import',
    '/api/v1/orders/{orderId}'
  ])
  const list = document.paths['/api/v1/orders']
  t.same(Object.keys(list ?? {}), ['get'], 'only methods that are forwarded')
  t.match(list?.get, {
    operationId: 'listOrders',
    tags: ['orders'],
    servers: undefined,
    security: [{ 'orders.key': [] }],
    parameters: [
      { $ref: '#/components/parameters/orders.Trace' },
      { name: 'limit', schema: { type: 'integer', exclusiveMinimum: 0, minimum: undefined } }
    ],
    responses: {
      200: {
        content: { 'application/json': { schema: { items: { $ref: '#/components/schemas/orders.Order' } } } }
      },
      404: {
        description: 'None',
        content: {
          'application/json': { schema: { $ref: '#/components/schemas/orders.Fault' } },
          'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } }
        }
      },
      502: { $ref: '#/components/responses/BadGateway' }
    }
  })
  t.match(document.components.schemas?.['orders.Order'], {
    properties: {
      note: { type: ['string', 'null'], examples: ['gift'], nullable: undefined },
      parent: { $ref: '#/components/schemas/orders.Order', nullable: undefined },
      pet: { discriminator: { mapping: { f: '#/components/schemas/orders.Fault' } } }
    }
  })
  t.match(document.components.schemas, { Problem: { type: 'object' }, 'orders.Unused': undefined })
  t.match(document.components.securitySchemes, { 'orders.key': { type: 'apiKey' } })
  t.match(
    document.paths['/api/v1/orders/import']?.post,
    { operationId: 'postApiV1OrdersImport' },
    'has none in the document'
  )
})

t.test('paths that another route answers are not taken over', async t => {
  const document = await documentOf(t, {
    upstreams: { orders: { url: 'http://127.0.0.1:9/v3' } },
    scopes: {
      orders: {
        prefix: '/shop',
        routes: async app => {
          await app.register(forward)
          await app.register(transform)
          app.forward({
            method: ['GET', 'DELETE'],
            url: '/*',
            upstream: 'orders',
            prefix: '',
            openapi: write(t, ORDERS)
          })
          app.transform({
            method: 'GET',
            url: '/orders/:id',
            upstream: 'orders',
            upstreamResponse: Type.String(),
            response: Type.String(),
            toUpstream: () => ({ method: 'GET', path: '/' }),
            toClient: text => text
          })
        }
      }
    }
  })
  t.same(Object.keys(document.paths).sort(), [
    '/shop/health',
    '/shop/orders',
    '/shop/orders/{id}',
    '/shop/orders/{orderId}/items'
  ])
  t.same(Object.keys(document.paths['/shop/orders'] ?? {}).sort(), ['delete', 'get'])
  t.equal(document.paths['/shop/orders/{id}']?.get?.operationId, 'getShopOrdersById')
})

t.test('the fallback of an upstream is one of the responses', async t => {
  const fallback = { status: 200, body: { orders: [] } }
  const document = await documentOf(t, {
    upstreams: { orders: { url: 'http://127.0.0.1:9', openapi: write(t, ORDERS), fallback } },
    scopes: {
      orders: {
        prefix: '/orders',
        routes: async app => {
          await app.register(forward)
          app.forward({ method: 'GET', url: '/:id', upstream: 'orders', prefix: '/orders' })
        }
      }
    }
  })
  t.match(document.paths['/orders/{orderId}']?.get?.responses[200], {
    headers: { 'Sluice-Fallback': {} },
    content: {
      'application/json': {
        schema: { anyOf: [{ $ref: '#/components/schemas/orders.Order' }, { const: { orders: [] } }] }
      }
    }
  })
})

t.test('the gateway requires its own tokens', async t => {
  const document = await documentOf(t, {
    upstreams: { orders: { url: 'http://127.0.0.1:9', openapi: write(t, ORDERS) } },
    issuers: {
      corp: { issuer: 'https://auth.example.com', jwksUri: 'https://auth.example.com/keys', audience: 'a' }
    },
    scopes: {
      orders: {
        prefix: '/orders',
        jwt: 'corp',
        routes: async app => {
          await app.register(forward)
          app.forward({ method: 'GET', url: '/:id', upstream: 'orders', prefix: '/orders' })
        }
      }
    }
  })
  t.same(document.paths['/orders/{orderId}']?.get?.security, [{ corp: [] }])
  t.same(Object.keys(document.components.securitySchemes ?? {}), ['corp'])
})

t.test('a document that cannot be read fails the start, with file and place', async t => {
  const head = 'openapi: 3.1.0\ninfo: { title: x, version: x }\n'
  const deep = `${head}paths: {}\nx-deep: ${'['.repeat(300)}${']'.repeat(300)}`
  const bomb = `${head}paths: {}\nx-a: &a [1,1,1,1,1,1,1,1,1]\n${['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].map((name, i) => `x-${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[i]}`).join()}]`).join('\n')}`
  const faults: [content: string, message: RegExp][] = [
    ['swagger: "2.0"\npaths: {}', /^FILE \/swagger is Swagger 2\.0/],
    ['openapi: 4.0.0\npaths: {}', /^FILE \/openapi must be 3\.0 or 3\.1/],
    ['- a list', /^FILE \/ is not an OpenAPI document/],
    ['a: [', /^FILE is neither YAML nor JSON: .* line 1/],
    ['{"openapi": ', /^FILE is neither YAML nor JSON: /],
    [head, /^FILE \/paths must be an object/],
    [`${head}paths: { orders: {} }`, /^FILE \/paths\/orders must begin with a slash/],
    [`${head}paths: { /a: { get: {} } }`, /^FILE \/paths\/~1a\/get\/responses must be an object/],
    [
      `${head}paths: { /a: { get: { responses: { ok: {} } } } }`,
      /^FILE \/paths\/~1a\/get\/responses\/ok must be a status/
    ],
    [
      `${head}paths: { /a: { parameters: [{ name: x }] } }`,
      /^FILE \/paths\/~1a\/parameters\/0 must have name and in/
    ],
    [`${head}paths: { /a: { $ref: 'b.yaml' } }`, /^FILE \/paths\/~1a must not be a reference/],
    [
      `${head}paths: { /a: { get: { responses: { 200: { $ref: 'http://127.0.0.1/x' } } } } }`,
      /^FILE \/paths\/~1a\/get\/responses\/200\/\$ref refers to another file, which is not read/
    ],
    [
      `${head}paths: { /a: { get: { responses: { 200: { $ref: '#/components/responses/None' } } } } }`,
      /^FILE .*\/\$ref refers to responses\/None, which is missing/
    ],
    [`${head}paths: {}\ncomponents: { schemas: }`, /^FILE \/components\/schemas must be an object/],
    [
      `${head}paths: {}\ncomponents: { responses: { No: } }`,
      /^FILE \/components\/responses\/No must be an object/
    ],
    [`${head}paths: {}\nsecurity: [null]`, /^FILE \/security must be a list of objects/],
    [
      `${head}paths: { /a: { get: { security: none, responses: {} } } }`,
      /^FILE \/paths\/~1a\/get\/security must be a list of objects/
    ],
    [deep, /^FILE \/ is nested more than 200 levels/],
    [bomb, /^FILE (is neither YAML nor JSON: Excessive alias count|\/ has more than)/],
    ['#'.repeat(5 * 1_048_576 + 1), /^FILE is larger than 5 MiB/]
  ]
  for (const [content, message] of faults) {
    const file = write(t, content)
    await t.rejects(readServiceDocument(file), {
      name: 'ConfigError',
      message: new RegExp(message.source.replace('FILE', file.replaceAll('.', '\\.')))
    })
  }
  await t.rejects(readServiceDocument('/nowhere.yaml'), {
    message: '/nowhere.yaml cannot be read: there is no such file'
  })
  await t.rejects(
    documentOf(t, {
      upstreams: { orders: { url: 'http://127.0.0.1:9', openapi: '/nowhere.yaml' } },
      scopes: {
        orders: {
          prefix: '/orders',
          routes: async app => {
            await app.register(forward)
            app.forward({ method: 'GET', url: '/', upstream: 'orders', prefix: '' })
          }
        }
      }
    }),
    { message: '/nowhere.yaml cannot be read: there is no such file' }
  )
})

t.test('a document cannot reach the prototypes of objects', async t => {
  const json = `{"openapi":"3.1.0","paths":{"/a":{"get":{"responses":{"200":{"description":"x","__proto__":{"polluted":1}}}}}},"components":{"schemas":{"__proto__":{"polluted":1}}}}`
  const document = await documentOf(t, {
    upstreams: { orders: { url: 'http://127.0.0.1:9', openapi: write(t, json, 'orders.json') } },
    scopes: {
      orders: {
        prefix: '/orders',
        routes: async app => {
          await app.register(forward)
          app.forward({ method: 'GET', url: '/*', upstream: 'orders', prefix: '' })
        }
      }
    }
  })
  t.ok(document.paths['/orders/a'])
  t.equal(({} as { polluted?: number }).polluted, undefined)
})
