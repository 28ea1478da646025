import { request as send } from 'node:http'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import Type from 'typebox'
import { createAdminApp } from '../../../admin/admin-app.ts'
import forward from '../../../plugins/forward.ts'
import transform from '../../../plugins/transform.ts'
import { path } from '../../../proxy/path-template.ts'
import { call, type Ending, startGateway, startService } from '../../harness.ts'
import { exchange, startSession, tls } from '../../http2.ts'

const ok = Type.Object({ ok: Type.Boolean() })
const FRAMINGS: Record<string, string>[] = [{}, { 'content-length': '0' }, { 'transfer-encoding': 'chunked' }]
const METHODS = ['POST', 'PUT', 'PATCH', 'DELETE'] as const

/** Starts a gateway with all kinds of transformations, in front of a service that records requests. */
async function start(t: Ending, listen = {}) {
  const seen: { line: string; body: string }[] = []
  const service = await startService(t, async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    seen.push({ line: `${request.method} ${request.url}`, body })
    response.setHeader('content-type', 'application/json').end('{"ok":true}')
  })
  const shared = {
    upstream: 'things',
    upstreamResponse: ok,
    response: ok,
    toClient: () => ({ ok: true })
  }
  const routes = async (app: FastifyInstance) => {
    await app.register(transform)
    for (const method of METHODS) {
      app.route({ method, url: '/own', handler: async ({ body }) => ({ hasBody: body !== undefined }) })
      const toUpstream = ({ body }: { body: unknown }) => ({ method, path: '/', body })
      app.transform({ ...shared, method, url: '/any', toUpstream: toUpstream as never })
      const body = Type.Object({ id: Type.Integer(), price: Type.Optional(Type.Number()) })
      app.transform({ ...shared, method, url: '/typed', body, toUpstream: toUpstream as never })
    }
    app.transform({
      ...shared,
      method: 'GET',
      url: '/things/:id',
      params: Type.Object({ id: Type.Integer() }),
      querystring: Type.Object({
        limit: Type.Optional(Type.Number()),
        ids: Type.Optional(Type.Array(Type.Integer())),
        name: Type.Optional(Type.Union([Type.Integer(), Type.String()]))
      }),
      headers: Type.Object({ 'x-page': Type.Optional(Type.Integer()) }),
      toUpstream: ({ params, query }) => ({
        method: 'GET',
        path: path`/things/${params.id}?limit=${query.limit ?? 'none'}&ids=${String(query.ids)}&name=${String(query.name)}`
      })
    })
    app.transform({
      ...shared,
      method: 'POST',
      url: '/all/:id',
      params: Type.Object({ id: Type.Integer() }),
      querystring: Type.Object({ limit: Type.Integer({ maximum: 10 }) }),
      headers: Type.Object({ 'x-page': Type.Integer() }),
      body: Type.Object({ items: Type.Array(Type.Object({ a: Type.String(), b: Type.String() })) }),
      toUpstream: () => ({ method: 'GET', path: '/' })
    })
  }
  const { url } = await startGateway(t, {
    listen,
    upstreams: { things: { url: service } },
    scopes: { x: { prefix: '/x', routes } }
  })
  return { url: `${url}/x`, origin: url, seen }
}

t.test('a forwarded request keeps its content type, also without content', async t => {
  const service = await startService(t, ({ headers }, response) => {
    response
      .setHeader('content-type', 'application/json')
      .end(JSON.stringify({ type: headers['content-type'] }))
  })
  const routes = async (app: FastifyInstance) => {
    await app.register(forward)
    app.forward({ method: 'POST', url: '/', upstream: 'things', prefix: '' })
  }
  const { url } = await startGateway(t, {
    upstreams: { things: { url: service } },
    scopes: { x: { prefix: '/x', routes } }
  })
  const answer = await call(`${url}/x`, { method: 'POST', headers: { 'content-type': 'text/plain' } })
  t.same(answer.json, { type: 'text/plain' })
})

const post = (body: string | Uint8Array, type = 'application/json', headers = {}) => ({
  method: 'POST',
  headers: { 'content-type': type, ...headers },
  body: body as string
})

t.test('every +json type is JSON, and no other', async t => {
  const { url, seen } = await start(t)
  const types = [
    'application/json',
    'APPLICATION/JSON',
    'application/merge-patch+json',
    'application/vnd.api+json',
    'application/vnd.shop.v2+json',
    'application/hal+json; charset=utf-8',
    'model/gltf+json'
  ]
  for (const type of types) {
    t.equal((await call(`${url}/any`, post('{"a":null}', type))).status, 200, type)
    t.equal(seen.at(-1)?.body, '{"a":null}')
  }
  for (const type of [
    'text/plain',
    'text/xml',
    'application/jsonx',
    'application/x-ndjson',
    'a/b; x="+json"'
  ])
    t.equal((await call(`${url}/any`, post('{"a":null}', type))).status, 415, type)
})

t.test('a scope may have its own parser for a JSON type', async t => {
  const routes = async (app: FastifyInstance) => {
    for (const type of ['application/json', 'application/vnd.api+json', '*'])
      app.addContentTypeParser(type, { parseAs: 'string' }, (_request, _body, done) => done(null, type))
    app.post('/', async request => ({ parser: request.body }))
  }
  const { url } = await startGateway(t, { scopes: { x: { prefix: '/x', routes } } })
  for (const type of ['application/json', 'application/vnd.api+json'])
    t.equal((await call(`${url}/x`, post('{}', type))).json.parser, type)
  t.equal((await call(`${url}/x`, post('{}', 'text/csv'))).json.parser, '*')
})

t.test('UTF-8 has several names; other charsets get 415, invalid UTF-8 gets 400', async t => {
  const { url, seen } = await start(t)
  for (const charset of ['utf-8', 'UTF-8', 'utf8', '"utf-8"', '"UTF8"', 'us-ascii', '""']) {
    const type = `application/json;charset=${charset}`
    t.equal((await call(`${url}/any`, post('{"a":"é"}', type))).status, 200, type)
    t.equal(seen.at(-1)?.body, '{"a":"é"}')
  }
  const others = [
    'iso-8859-1',
    '"ISO-8859-1"',
    'utf-16',
    'utf-16le',
    'windows-1252',
    'x',
    'utf-8;charset=latin1'
  ]
  for (const charset of others) {
    const type = `application/json; Charset=${charset}`
    const answer = await call(`${url}/any`, post('{}', type))
    t.match(answer.json, { status: 415, type: 'urn:sluice:unsupported-charset' }, type)
  }
  const bytes = [Buffer.from('{"a":"caf\xe9"}', 'latin1'), Buffer.from('\ufeff{"a":1}', 'utf16le')]
  for (const body of bytes) t.equal((await call(`${url}/any`, post(body))).status, 400)
})

t.test('a byte order mark is ignored', async t => {
  const { url, seen } = await start(t)
  t.equal((await call(`${url}/any`, post('\ufeff{"a":1}'))).status, 200)
  t.equal(seen.at(-1)?.body, '{"a":1}')
})

t.test('a compressed body gets 415', async t => {
  const { url } = await start(t)
  const answer = await call(`${url}/any`, post('{}', 'application/json', { 'content-encoding': 'gzip' }))
  t.match(answer.json, { status: 415, type: 'urn:sluice:body-compressed' })
  t.equal(answer.headers.get('accept-encoding'), 'identity')
  const identity = post('{}', 'application/json', { 'content-encoding': 'identity' })
  t.equal((await call(`${url}/any`, identity)).status, 200)
})

t.test('a content type without content means no body', async t => {
  const { url, seen } = await start(t)
  for (const method of METHODS)
    for (const type of ['application/json', 'application/vnd.api+json', 'text/plain', ''])
      for (const framing of FRAMINGS) {
        if (!type.endsWith('json') && 'transfer-encoding' in framing) continue
        const what = `${method} ${type} ${JSON.stringify(framing)}`
        t.equal(await statusOf(`${url}/any`, method, { 'content-type': type, ...framing }), 200, what)
        t.equal(seen.at(-1)?.body, '', what)
        const own = await statusOf(`${url}/own`, method, { 'content-type': type, ...framing })
        t.equal(own, 200, `${what}: an own handler`)
        const typed = await statusOf(`${url}/typed`, method, { 'content-type': type, ...framing })
        t.equal(typed, 400, `${what}: where the route needs one`)
      }
})

/** A raw client, since fetch() sends a length with every POST. */
function statusOf(url: string, method: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = send(url, { method, headers, agent: false }, response => {
      response.resume().on('end', () => resolve(response.statusCode))
    })
    if (!('content-length' in headers) && !('transfer-encoding' in headers)) {
      request.removeHeader('content-length')
      request.removeHeader('transfer-encoding')
      request.useChunkedEncodingByDefault = false
    }
    request.on('error', reject).end()
  })
}

t.test('the same over HTTP/2, with END_STREAM in the headers or in its own frame', async t => {
  const { origin, seen } = await start(t, { tls, http2: true })
  const session = await startSession(t, origin)
  for (const method of METHODS)
    for (const body of [undefined, '']) {
      const headers = { ':method': method, ':path': '/x/any', 'content-type': 'application/json' }
      t.equal((await exchange(session, headers, body)).status, 200, `${method} ${body}`)
      t.equal(seen.at(-1)?.body, '')
    }
})

t.test('the same on the admin API', async t => {
  const admin = await createAdminApp({ host: '127.0.0.1' })
  t.teardown(() => admin.close())
  for (const method of ['POST', 'DELETE'] as const)
    admin.route({ method, url: '/', handler: async ({ body }) => ({ body: body === undefined }) })
  const url = await admin.listen({ host: '127.0.0.1', port: 0 })
  for (const method of ['POST', 'DELETE']) {
    const answer = await call(url, { method, headers: { 'content-type': 'application/json' } })
    t.same(answer.json, { body: true }, method)
  }
  t.equal((await call(url, post('{"id":9007199254740993}'))).status, 400)
})

t.test('a body with a number that a double would change gets 400 with its path', async t => {
  const { url, seen } = await start(t)
  const kept = [
    '{"id":9007199254740991}',
    '{"id":-0}',
    '{"id":1e3,"price":1E-5}',
    '{"id":1,"price":52.520008000000004}'
  ]
  for (const body of kept) {
    t.equal((await call(`${url}/typed`, post(body))).status, 200, body)
    t.same(JSON.parse(seen.at(-1)?.body ?? ''), JSON.parse(JSON.stringify(JSON.parse(body))))
  }
  seen.length = 0
  const refused: [body: string, paths: string[]][] = [
    ['{"id":9007199254740993}', ['/body/id']],
    ['{"id":1152921504606846977}', ['/body/id']],
    ['{"id":1,"price":0.12345678901234567891}', ['/body/price']],
    ['{"id":1e400,"price":-1e400}', ['/body/id', '/body/price']],
    ['{"id":1,"more":[{"a/b":12345678901234567890}]}', ['/body/more/0/a~1b']]
  ]
  for (const route of ['typed', 'any'])
    for (const [body, paths] of refused) {
      const { status, json } = await call(`${url}/${route}`, post(body))
      t.equal(status, 400, body)
      t.same(json.type, 'urn:sluice:validation-failed')
      t.same(
        json.errors.map((fault: { path: string }) => fault.path),
        paths
      )
    }
  const many = await call(`${url}/any`, post(`[${'12345678901234567890,'.repeat(1_000)}1]`))
  t.equal(many.json.errors.length, 50)
  t.same(seen, [])
  const twice = await call(`${url}/typed`, post('{"id":9007199254740993,"id":2}'))
  t.equal(twice.status, 200, 'the last of two equal names counts')
  t.equal(seen.at(-1)?.body, '{"id":2}')
})

t.test('inexact numbers in paths, queries and headers get 400', async t => {
  const { url, seen } = await start(t)
  const asked: [path: string, line: string][] = [
    ['/42', '/things/42?limit=none'],
    ['/-1', '/things/-1?limit=none'],
    ['/9007199254740991?limit=0.5', '/things/9007199254740991?limit=0.5'],
    ['/1e3?limit=1E-2', '/things/1000?limit=0.01'],
    ['/1?ids=1&ids=2', '/things/1?limit=none&ids=1%2C2'],
    ['/1?ids=7', '/things/1?limit=none&ids=7'],
    ['/1?name=9007199254740993&limit=2', '/things/1?limit=2&ids=undefined&name=9007199254740993'],
    ['/1?name=007&ids=7', '/things/1?limit=none&ids=7&name=007']
  ]
  for (const [path, line] of asked) {
    t.equal((await call(`${url}/things${path}`)).status, 200, path)
    t.match(seen.at(-1)?.line, `GET ${line}`)
  }
  seen.length = 0
  const ids = [
    '9007199254740993',
    '1152921504606846977',
    '1e400',
    '1e21',
    '007',
    '0x10',
    '%201',
    '+1',
    '1.',
    '1.5'
  ]
  for (const id of ids) {
    const { json } = await call(`${url}/things/${id}`)
    t.match(json, { status: 400, errors: [{ path: '/params/id' }] }, id)
  }
  const queries = [
    'limit=9007199254740993',
    'limit=0x1F',
    'limit=Infinity',
    'ids=1&ids=9007199254740993',
    'ids=01'
  ]
  for (const query of queries) {
    const { json } = await call(`${url}/things/1?${query}`)
    t.match(json, { status: 400, errors: [{ path: /^\/querystring\/(limit|ids)/ }] }, query)
  }
  const { json } = await call(`${url}/things/1`, { headers: { 'x-page': '9007199254740993' } })
  t.match(json, { status: 400, errors: [{ path: '/headers/x-page' }] })
  t.same(seen, [])
})

t.test('faults of all parts are reported together', async t => {
  const { url, seen } = await start(t)
  const pathsOf = async (path: string, body: string, headers = {}) => {
    const { status, json } = await call(`${url}/all${path}`, post(body, 'application/json', headers))
    t.equal(status, 400)
    return json.errors.map((fault: { path: string }) => fault.path)
  }
  t.same(await pathsOf('/x?limit=11', '{"items":[{"a":1}]}'), [
    '/params/id',
    '/body/items/0/b',
    '/body/items/0/a',
    '/querystring/limit',
    '/headers/x-page'
  ])
  t.same(await pathsOf('/1?limit=11', '{"items":[]}'), ['/querystring/limit', '/headers/x-page'])
  t.same(await pathsOf('/1', '{"items":0}', { 'x-page': '2' }), ['/body/items', '/querystring/limit'])
  t.same(await pathsOf('/007?limit=1', '{"items":[]}', { 'x-page': 'a' }), ['/params/id', '/headers/x-page'])
  t.same(await pathsOf('/x?limit=1', '{"items":[],"n":9007199254740993}', { 'x-page': '1' }), [
    '/params/id',
    '/body/n'
  ])
  t.same(seen, [])
})

t.test('small bodies report up to 50 faults, large ones only the first', async t => {
  const { url } = await start(t)
  const ask = async (unit: string, count: number) => {
    const items = `{"items":[${unit.repeat(count).slice(0, -1)}]}`
    const init = post(items, 'application/json', { 'x-page': '1' })
    return (await call(`${url}/all/1?limit=1`, init)).json.errors
  }
  t.equal((await ask('{},', 20)).length, 40)
  t.equal((await ask('{},', 200)).length, 50)
  for (const unit of ['{},', '0,', '{"a":"","b":0},'])
    t.equal((await ask(unit, Math.floor(1_000_000 / unit.length))).length, 1, unit)
  const name = 'n'.repeat(100_000)
  const { text } = await call(`${url}/typed`, post(`{"${name}":12345678901234567890}`))
  t.ok(text.length < 2_000, 'names are truncated')
})

t.test('unique items are compared by value in linear time', async t => {
  const routes = async (app: FastifyInstance) => {
    const body = Type.Array(Type.Unknown(), { uniqueItems: true })
    app.post('/', { schema: { body } }, async request => ({ items: (request.body as []).length }))
  }
  const { url } = await startGateway(t, { scopes: { x: { prefix: '/x', routes } } })
  const ask = (body: string) => call(`${url}/x`, post(body))
  for (const items of ['[]', '[1,"1",true,"true",null,[1],["1"],{"a":1},{"a":"1"},{"b":1},{},[[]],[{}]]'])
    t.equal((await ask(items)).status, 200, items)
  for (const items of [
    '[1,1.0]',
    '[0,-0]',
    '["a","\\u0061"]',
    '[{"a":1,"b":[2]},{"b":[2],"a":1}]',
    '[null,1,null]'
  ])
    t.match((await ask(items)).json, { errors: [{ path: '/body', message: /duplicate/ }] }, items)
  const many = Array.from({ length: 80_000 }, (_, i) => `{"a":${i}}`).join()
  t.same((await ask(`[${many}]`)).json, { items: 80_000 }, 'within the deadline')
})

t.test('deep nesting and prototype poisoning get 400', async t => {
  const { url, seen } = await start(t)
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
  t.equal((await call(`${url}/any`, post(nested(1_000)))).status, 200)
  seen.length = 0
  for (const body of [nested(1_001), nested(100_000), '['.repeat(500_000), '{"a":'.repeat(100_000)]) {
    const answer = await call(`${url}/any`, post(body))
    t.match(answer.json, { status: 400, type: 'urn:sluice:body-too-deep' })
  }
  for (const body of [
    '{"__proto__":{}}',
    '{"a":{"\\u005f_pr\\u006fto__":{}}}',
    '{"constructor":{"prototype":{}}}'
  ])
    t.equal((await call(`${url}/any`, post(body))).status, 400, body)
  for (const body of ['{"a":01}', '{"a":+1}', '{"a":.5}', '{"a":NaN}', '\ufeff', ' ', "{'a':1}", '{"a":1}x'])
    t.equal((await call(`${url}/any`, post(body))).status, 400, body)
  t.same(seen, [])
})
