import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { call, startGateway, startService } from '../harness.ts'
import { compile } from '../openapi/compile.ts'
import { sluice } from './golden.ts'

const ORDERS = 'test/openapi/documents/orders.yaml'
const line = { product: 'p-100', quantity: 1 }
const order = { id: 'o-1', status: 'open', lines: [line], placedAt: '2026-11-30T10:00:00Z', total: '0.10' }

t.test('the routes of a document compile, pass the check and validate requests and responses', async t => {
  const folder = t.testdir()
  const file = join(folder, 'orders.ts')
  const { code, out, err } = await sluice(['import', ORDERS, '--upstream', 'orders', '--out', file])
  t.equal(code, 0)
  t.equal(out, `${file}: 8 routes, 3 of them with validated bodies\n`)
  t.same(err.trim().split('\n'), [
    'authentication is not imported: set jwt of the scope',
    'GET /orders: not validated: the query parameter filter',
    'GET /orders: not validated: the cookie parameter session',
    'POST /orders: not validated: the format money',
    'PATCH /orders/{order-id}: not validated: the body, which is not only JSON',
    'PUT /orders/{order-id}/lines/{index}: not validated: the format money',
    'PUT /orders/{order-id}/note: not validated: the body, which is optional',
    'POST /categories: not validated: values below #/components/schemas/Category, which refers to itself',
    'GET /exports/{name}.csv: left out: the router cannot have this path',
    'TRACE /debug: left out: the gateway does not route this method'
  ])
  const config = `
import { defineGateway } from 'sluice'
import { orders } from './orders.ts'

export default defineGateway({
  upstreams: { orders: { url: 'http://127.0.0.1:4002' } },
  tiers: { free: { limits: [{ limit: 100, window: 60_000 }] } },
  scopes: { orders: { prefix: '/api', routes: orders, rateLimit: { address: 'free' } } }
})
`
  writeFileSync(join(folder, 'fastify.config.ts'), config)
  // The gateway's own modules declare members of Fastify that index.ts alone does not load.
  t.equal(compile(folder, 'gateway.ts'), '')
  t.match(await sluice(['check', '--strict', '-c', join(folder, 'fastify.config.ts')]), {
    code: 0,
    out: '0 errors, 0 warnings\n'
  })

  const received: string[] = []
  let response: unknown = order
  const url = await startService(t, async (request, reply) => {
    let body = ''
    for await (const chunk of request) body += chunk
    received.push(`${request.method} ${request.url} ${body}`.trim())
    reply.setHeader('content-type', 'application/json')
    reply.end(JSON.stringify(response))
  })
  const { orders } = await import(file)
  const gateway = await startGateway(t, {
    upstreams: { orders: { url } },
    scopes: { orders: { prefix: '/api', routes: orders } }
  })
  const send = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const type = { 'content-type': 'application/json' }
    const { status, text } = await call(gateway.url + path, {
      method,
      headers: { 'x-tenant': 'acme', ...(body !== undefined && type), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) })
    })
    return { status, body: text === '' ? undefined : JSON.parse(text) }
  }

  const newOrder = { lines: [{ ...line, note: null }], payment: { card: '4242' }, labels: { a: 'b' } }
  t.match(await send('POST', '/api/orders?dryRun=true&x=%2f', newOrder), { status: 200, body: order })
  t.match(await send('GET', '/api/orders?status=paid&status=open&limit=10&filter[paid]=true'), {
    status: 200
  })
  t.match(await send('GET', '/api/orders?status=paid'), { status: 200 })
  t.match(await send('GET', '/api/orders/o-1'), { status: 200, body: order })
  t.match(await send('PUT', '/api/orders/o%201/lines/0', line), { status: 200 })
  t.match(
    await send('PATCH', '/api/orders/o-1', { a: 1 }, { 'content-type': 'application/merge-patch+json' }),
    { status: 200 }
  )
  t.match(await send('DELETE', '/api/orders/o-1'), { status: 200 })
  t.same(received, [
    `POST /v1/orders?dryRun=true&x=%2f ${JSON.stringify(newOrder)}`,
    'GET /v1/orders?status=paid&status=open&limit=10&filter[paid]=true',
    'GET /v1/orders?status=paid',
    'GET /v1/orders/o-1',
    `PUT /v1/orders/o%201/lines/0 ${JSON.stringify(line)}`,
    'PATCH /v1/orders/o-1 {"a":1}',
    'DELETE /v1/orders/o-1'
  ])

  const invalid: [string, string, unknown, string][] = [
    ['GET', '/api/orders?status=lost', undefined, '/querystring/status/0'],
    ['GET', '/api/orders?limit=101', undefined, '/querystring/limit'],
    ['GET', '/api/orders/7', undefined, '/params/orderId'],
    ['PUT', '/api/orders/o-1/lines/-1', line, '/params/index'],
    ['POST', '/api/orders', { lines: [] }, '/body/lines'],
    ['POST', '/api/orders', { lines: [{ ...line, quantity: 0 }] }, '/body/lines/0/quantity'],
    ['POST', '/api/orders', { lines: [{ ...line, other: 1 }] }, '/body/lines/0/other'],
    ['POST', '/api/orders?dryRun=maybe', newOrder, '/querystring/dryRun']
  ]
  received.length = 0
  for (const [method, path, body, place] of invalid) {
    const { status, body: problem } = await send(method, path, body)
    t.equal(status, 400, path)
    t.ok(
      problem.errors.some((error: { path: string }) => error.path.startsWith(place)),
      `${place}: ${JSON.stringify(problem.errors)}`
    )
  }
  t.match(await send('GET', '/api/orders', undefined, { 'x-tenant': '' }), { status: 400 })
  t.same(received, [], 'nothing invalid reaches the service')

  response = { ...order, status: 'lost' }
  t.match(await send('POST', '/api/orders', newOrder), { status: 502 })
  response = { ...order, secret: 'x' }
  t.notOk('secret' in (await send('POST', '/api/orders', newOrder)).body)
  t.match(await send('GET', '/api/exports/a.csv'), { status: 404 })
})

t.test('text of a document cannot become code', async t => {
  const attack =
    '*/ globalThis.attacked = 1 /*"\'`\x24{globalThis.attacked = 1}\n}; globalThis.attacked = 1 //\u2028globalThis.attacked = 1\\'
  const schema = {
    type: 'object',
    title: attack,
    required: [attack, '__proto__'],
    properties: {
      [attack]: { enum: [attack, 1] },
      ['__proto__']: { type: 'string', pattern: attack.replaceAll(/[*{}]/g, ''), format: attack },
      constructor: { const: attack },
      other: { $ref: `#/${attack}` }
    },
    additionalProperties: { type: attack }
  }
  const operation = {
    operationId: attack,
    summary: attack,
    parameters: [
      { name: attack, in: 'query', schema },
      { name: attack, in: 'query', schema: { type: 'string', minLength: '1 + globalThis.attacked' } },
      { name: attack, in: attack, schema },
      { $ref: attack }
    ],
    requestBody: {
      required: true,
      content: { 'application/json': { schema: { $ref: '#/components/schemas/A' } } }
    },
    responses: { 200: { description: attack, content: { 'application/json': { schema } } } }
  }
  const paths = {
    [`/${attack}`]: { post: operation },
    '/a/${globalThis.attacked = 1}': { post: operation },
    [`/b/{${attack.replaceAll(/[{}/]/g, '')}}`]: { post: operation },
    '/c/{__proto__}/{constructor}': { post: operation },
    '/d:x/(e)*': { post: operation }
  }
  const document = {
    openapi: '3.1.0',
    info: { title: attack, version: attack },
    servers: [{ url: `https://a.example/${attack}` }],
    paths,
    components: { schemas: { A: schema, [attack]: schema }, securitySchemes: { [attack]: {} } }
  }
  const folder = t.testdir({ 'api.json': JSON.stringify(document) })
  const file = join(folder, 'orders.ts')
  const args = ['import', join(folder, 'api.json'), '--upstream', 'orders', '--out', file]
  const { code, err } = await sluice(args)
  t.equal(code, 0, err)
  t.notMatch(err, /[\x00-\x09\x0b-\x1f\u2028]/)
  const imported = await import(file)
  const [register] = Object.values(imported) as [never]
  await startGateway(t, {
    upstreams: { orders: { url: 'http://127.0.0.1:1' } },
    scopes: { orders: { prefix: '/api', routes: register } }
  })
  t.notOk('attacked' in globalThis)
})

t.test('a file is not overwritten without --force', async t => {
  const folder = t.testdir({ 'orders.ts': 'mine' })
  const args = ['import', ORDERS, '--upstream', 'orders', '-o', join(folder, 'orders.ts')]
  t.match(await sluice(args), { code: 2, err: /orders.ts exists; --force overwrites it/ })
  t.match(await sluice([...args, '--force']), { code: 0 })
  t.match(await sluice(['import', ORDERS, '--upstream', 'orders']), {
    code: 0,
    out: /^import type [\s\S]*app\.transform/
  })
})

t.test('documents and command lines that cannot be used are named', async t => {
  const folder = t.testdir({ 'two.json': '{ "swagger": "2.0" }', 'text.txt': 'hello' })
  for (const [args, message] of [
    [[ORDERS], /import needs --upstream NAME/],
    [[join(folder, 'two.json'), '--upstream', 'a'], /OpenAPI 2.0; convert it to 3.0 first/],
    [[join(folder, 'text.txt'), '--upstream', 'a'], /is no OpenAPI document/],
    [[join(folder, 'none.json'), '--upstream', 'a'], /cannot be read: there is no such file/],
    [[ORDERS, '--upstream', "or'd`ers"], /--upstream is not a name/],
    [[], /import needs the arguments DOCUMENT/]
  ] as const)
    t.match(await sluice(['import', ...args]), { code: 2, err: message })
})

t.test('types with the names of members that all objects have are not validated', async t => {
  const folder = t.testdir({
    'api.json': JSON.stringify({
      openapi: '3.1.0',
      info: { title: 'API', version: '1' },
      paths: {
        '/orders': {
          get: {
            parameters: [{ name: 'sort', in: 'query', schema: { type: 'constructor' } }],
            responses: { 200: { description: 'OK' } }
          }
        }
      }
    })
  })
  const { code, err } = await sluice(['import', join(folder, 'api.json'), '--upstream', 'orders'])
  t.equal(code, 0)
  t.equal(err, 'GET /orders: not validated: the type constructor\n')
})
