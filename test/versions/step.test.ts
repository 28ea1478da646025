import createError from '@fastify/error'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import Type from 'typebox'
import type { ProblemError } from '../../http/problem.ts'
import transform from '../../plugins/transform.ts'
import { path } from '../../proxy/path-template.ts'
import { defineTransform } from '../../proxy/transform-route.ts'
import { renamePointers } from '../../versions/pointers.ts'
import { step } from '../../versions/step.ts'
import { call, startGateway, startService } from '../harness.ts'

const strict = { additionalProperties: false }
const SoldOut = createError('SLUICE_SOLD_OUT', 'Sold out', 409, Error, false)

/** Version 3 knows the service. It is stricter, and has one more parameter and header. */
const v3 = defineTransform({
  method: 'POST',
  url: '/shops/:shop/carts',
  upstream: 'carts',
  params: Type.Object({ shop: Type.String({ pattern: '^[a-z]+$' }) }),
  querystring: Type.Object({ dryRun: Type.Boolean() }),
  headers: Type.Object({ 'x-channel': Type.String() }),
  body: Type.Object(
    {
      lines: Type.Array(
        Type.Object({ sku: Type.String(), count: Type.Integer({ minimum: 1, maximum: 5 }) }, strict)
      )
    },
    strict
  ),
  upstreamResponse: Type.Object({ n: Type.Integer() }),
  response: Type.Object({ count: Type.Integer(), note: Type.String() }),
  toUpstream({ body, params, query, headers }) {
    const index = body.lines.findIndex(({ sku }) => sku === 'none')
    if (index !== -1) {
      const error: ProblemError = new SoldOut()
      error.problem = { line: index }
      error.headers = { 'retry-after': '60' }
      throw error
    }
    return {
      method: 'POST',
      path: path`/${params.shop}?channel=${headers['x-channel']}&dry=${String(query.dryRun)}`,
      body
    }
  },
  toClient({ n }) {
    if (n < 0) throw new SoldOut()
    return { count: n, note: `n is ${n}` }
  }
})

/** Version 2: `items` of a single shop, without a channel; a dry run is a header. */
const v2 = step(v3, {
  url: '/carts',
  request: {
    params: Type.Object({}),
    querystring: Type.Object({}),
    headers: Type.Object({ 'x-dry-run': Type.Optional(Type.Literal('yes')) }),
    body: Type.Object(
      {
        items: Type.Array(
          Type.Object({ sku: Type.String(), count: Type.Integer({ minimum: 1, maximum: 9 }) }, strict)
        )
      },
      strict
    ),
    toNext: ({ body, headers }) => ({
      body: { lines: body.items },
      params: { shop: 'main' },
      query: { dryRun: headers['x-dry-run'] === 'yes' },
      headers: { 'x-channel': 'v2' }
    })
  },
  response: {
    schema: Type.Object({ total: Type.Integer(), note: Type.String() }),
    fromNext: ({ count, note }, { body }) => ({
      total: count,
      note: `${note} of ${(body as { items: unknown[] }).items.length}`
    })
  },
  faults: { '/body/lines': '/body/items' },
  problem: ({ line, ...problem }) => ({ ...problem, ...(line !== undefined && { item: line }) })
})

/** Version 1: names, and one quantity for all. */
const v1 = step(v2, {
  request: {
    body: Type.Object({ names: Type.Array(Type.String()), qty: Type.Optional(Type.Integer()) }, strict),
    toNext: ({ body }) => ({ body: { items: body.names.map(sku => ({ sku, count: body.qty ?? 1 })) } })
  },
  response: {
    schema: Type.Object({ sum: Type.String() }),
    fromNext: ({ note }, { body }) => ({ sum: `${note} (${(body as { names: string[] }).names})` })
  },
  faults: {
    '/body/items/*/count': '/body/qty',
    '/body/items/*/sku': '/body/names/*'
  },
  problem: problem =>
    problem.type === 'urn:sluice:sold-out'
      ? { ...problem, status: 422, title: `Item ${problem.item}` }
      : problem
})

function serve(add: (app: FastifyInstance) => void) {
  return async (app: FastifyInstance) => {
    await app.register(transform)
    add(app)
  }
}

async function start(t: Parameters<typeof startService>[0]) {
  const seen: { url: string | undefined; body: string }[] = []
  const service = await startService(t, async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    seen.push({ url: request.url, body })
    const { lines } = JSON.parse(body)
    const [sku] = lines.map((line: { sku: string }) => line.sku)
    if (sku === 'teapot') return response.writeHead(418, { 'retry-after': '5' }).end('secret')
    response.setHeader('content-type', 'application/json')
    response.writeHead(201).end(JSON.stringify({ n: sku === 'negative' ? -1 : lines.length, secret: 1 }))
  })
  const { url } = await startGateway(t, {
    upstreams: { carts: { url: service } },
    scopes: {
      carts: {
        prefix: '/{version}',
        versions: {
          v1: { routes: serve(app => app.transform(v1)) },
          v2: { routes: serve(app => app.transform(v2)) },
          v3: { routes: serve(app => app.transform(v3)) }
        }
      }
    }
  })
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    call(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body)
    })
  return { post, seen }
}

t.test('a request of the oldest version passes every step to the service and back', async t => {
  const { post, seen } = await start(t)
  const lines = (...skus: string[]) => ({ lines: skus.map(sku => ({ sku, count: 2 })) })

  const third = await post('/v3/shops/north/carts?dryRun=true', lines('a'), { 'x-channel': 'web' })
  t.same([third.status, third.json], [201, { count: 1, note: 'n is 1' }])
  const second = await post('/v2/carts', { items: lines('a', 'b').lines }, { 'x-dry-run': 'yes' })
  t.same([second.status, second.json], [201, { total: 2, note: 'n is 2 of 2' }])
  const first = await post('/v1/carts', { names: ['a', 'b', 'c'], qty: 2 })
  t.same([first.status, first.json], [201, { sum: 'n is 3 of 3 (a,b,c)' }])

  t.same(seen, [
    { url: '/north?channel=web&dry=true', body: JSON.stringify(lines('a')) },
    { url: '/main?channel=v2&dry=true', body: JSON.stringify(lines('a', 'b')) },
    { url: '/main?channel=v2&dry=false', body: JSON.stringify(lines('a', 'b', 'c')) }
  ])
})

t.test('faults have the paths of the requested version, whichever version found them', async t => {
  const { post, seen } = await start(t)
  const faults = async (path: string, body: unknown) => {
    const { status, json } = await post(path, body)
    t.equal(status, 400)
    t.match(json, { type: 'urn:sluice:validation-failed', title: 'Validation failed' })
    t.type(json.requestId, 'string')
    return json.errors.map((error: { path: string; message: string }) => `${error.path} ${error.message}`)
  }
  const items = (count: number) => ({
    items: [
      { sku: 'a', count: 1 },
      { sku: 'b', count }
    ]
  })
  t.same(
    await faults('/v2/carts', items(10)),
    ['/body/items/1/count must be <= 9'],
    'found by its own schema'
  )
  t.same(
    await faults('/v2/carts', items(6)),
    ['/body/items/1/count must be <= 5'],
    "found by the next version's"
  )
  t.same(
    await faults('/v1/carts', { names: ['a'], qty: 10 }),
    ['/body/qty must be <= 9'],
    'found one step further'
  )
  t.same(
    await faults('/v1/carts', { names: ['a'], qty: 6 }),
    ['/body/qty must be <= 5'],
    'found two steps further'
  )
  t.same(await faults('/v1/carts', { names: ['a'], items: [] }), ['/body/items is not known'])
  t.same(seen, [], 'the service is not called')
})

t.test('a problem of the newest version is mapped by every step', async t => {
  const { post, seen } = await start(t)
  const shared = { type: 'urn:sluice:sold-out' }
  const line = { sku: 'none', count: 1 }
  const third = await post(
    '/v3/shops/a/carts?dryRun=false',
    { lines: [{ sku: 'a', count: 1 }, line] },
    { 'x-channel': 'web' }
  )
  t.match(third.json, { ...shared, status: 409, title: 'Sold out', line: 1 })
  const second = await post('/v2/carts', { items: [{ sku: 'a', count: 1 }, line] })
  t.match(second.json, { ...shared, status: 409, title: 'Sold out', item: 1 })
  t.notOk('line' in second.json)
  const first = await post('/v1/carts', { names: ['a', 'none'] })
  t.equal(first.status, 422)
  t.match(first.json, { ...shared, status: 422, title: 'Item 1', item: 1 })
  t.equal(first.headers.get('retry-after'), '60')
  t.same(seen, [])

  t.match(
    (await post('/v1/carts', { names: ['negative'] })).json,
    { ...shared, status: 422 },
    'thrown by toClient'
  )
  const failed = await post('/v1/carts', { names: ['teapot'] })
  t.match(failed.json, { type: 'about:blank', title: "I'm a Teapot", status: 418 }, "the service's own")
  t.equal(failed.headers.get('retry-after'), '5')
  t.notMatch(failed.text, 'secret')
})

t.test('the longest pointer that fits renames a path; indexes are kept', t => {
  const rename = renamePointers({
    '/body/lines': '/body/items',
    '/body/lines/*/parts/*/a.b': '/body/items/*/bits/*/c',
    '/body/lines/*/sum': '/body/sum'
  })
  const cases: [from: string, to: string][] = [
    ['/body/lines', '/body/items'],
    ['/body/lines/0', '/body/items/0'],
    ['/body/lines/2/parts/10/a.b/x', '/body/items/2/bits/10/c/x'],
    ['/body/lines/2/parts/10/axb', '/body/items/2/parts/10/axb'],
    ['/body/lines/1/sum', '/body/sum'],
    ['/body/lines2', '/body/lines2'],
    ['/params/lines', '/params/lines']
  ]
  for (const [path, expected] of cases) t.equal(rename({ path, message: 'm' }).path, expected)
  t.equal(
    rename({ path: '/body/lines', message: "must have required property 'lines'" }).message,
    "must have required property 'items'"
  )
  t.throws(() => renamePointers({ '/body/a': '/body/*/b' }), /more \*/)
  t.end()
})

t.test('faults of several parts of the next version are reported together', async t => {
  const service = await startService(t, (_request, response) => response.end('{"n":1}'))
  const older = step(v3, {
    request: {
      body: Type.Object({ sku: Type.String(), count: Type.Integer() }),
      params: Type.Object({ shop: Type.String() }),
      toNext: ({ body }) => ({
        body: { lines: [body] },
        params: { shop: 'NONE' },
        query: { dryRun: true },
        headers: { 'x-channel': 5 as never }
      })
    },
    faults: { '/body/lines/*/count': '/body/count' }
  })
  const { url } = await startGateway(t, {
    upstreams: { carts: { url: service } },
    scopes: {
      x: {
        prefix: '/x',
        routes: async (app: FastifyInstance) => {
          await app.register(transform)
          app.transform(older)
        }
      }
    }
  })
  const headers = { 'content-type': 'application/json', 'x-channel': 'web' }
  const body = '{"sku":"a","count":9}'
  const { json } = await call(`${url}/x/shops/a/carts?dryRun=true`, { method: 'POST', headers, body })
  t.match(json, { status: 400, type: 'urn:sluice:validation-failed' })
  t.same(json.errors.map(({ path }: { path: string }) => path).sort(), ['/body/count', '/params/shop'])
})
