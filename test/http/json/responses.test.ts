import * as zlib from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import Type from 'typebox'
import { jsonNumber } from '../../../money.ts'
import compose from '../../../plugins/compose.ts'
import transform from '../../../plugins/transform.ts'
import { createResponseReader } from '../../../proxy/response-reader.ts'
import { type Answer, call, type Ending, startGateway, startService } from '../../harness.ts'

const A = Type.Object({ a: Type.Unknown() })
const N = Type.Object({ n: Type.Number() })
const MAX_BODY = 8_388_608

interface Said {
  body: string | Buffer
  headers?: Record<string, string>
}

/** Starts a transformation and a composition in front of a service that responds with `said`. */
async function start(t: Ending, said: Said, schema: typeof A | typeof N = A) {
  const service = await startService(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json', ...said.headers }).end(said.body)
  })
  const routes = async (app: FastifyInstance) => {
    await app.register(transform)
    await app.register(compose)
    app.transform({
      method: 'GET',
      url: '/t',
      upstream: 'things',
      upstreamResponse: schema,
      response: schema,
      toUpstream: () => ({ method: 'GET', path: '/' }),
      toClient: answer => answer as never
    })
    app.compose({
      url: '/c',
      response: Type.Object({ p: Type.Union([schema, Type.Null()]) }),
      parts: { p: { upstream: 'things', upstreamResponse: schema, path: () => '/' } },
      toClient: parts => parts as never
    })
  }
  const { url } = await startGateway(t, {
    deadline: 60_000,
    upstreams: { things: { url: service, breaker: { failures: 1_000 } } },
    scopes: { x: { prefix: '/x', routes } }
  })
  return { url: `${url}/x` }
}

t.test('numbers that a double holds are numbers in any spelling', async t => {
  const said: Said = { body: '' }
  const { url } = await start(t, said, N)
  for (const n of [
    '1.2345678E7',
    '1.0E-5',
    '1e-05',
    '1e+16',
    '1E+16',
    '1E+2',
    '52.520008000000001',
    '-0.0'
  ]) {
    said.body = `{"n":${n}}`
    t.same((await call(`${url}/t`)).json, { n: Number(n) }, n)
    t.same((await call(`${url}/c`)).json, { p: { n: Number(n) } }, n)
  }
  for (const n of ['9007199254740993', '1e400', '0.12345678901234567891']) {
    said.body = `{"n":${n}}`
    t.equal((await call(`${url}/t`)).status, 502, `${n} is no number to a schema that asks for one`)
    t.same((await call(`${url}/c`)).json, { p: null, missing: ['p'] })
  }
})

t.test('numbers that a double does not hold are strings, if the schema allows them', async t => {
  const said: Said = { body: '{"a":[9007199254740993,1e400,{"b":12345678901234567.89},1]}' }
  const { url } = await start(t, said)
  t.same((await call(`${url}/t`)).json, {
    a: ['9007199254740993', '1e400', { b: '12345678901234567.89' }, 1]
  })
})

t.test('compressed content is decoded', async t => {
  const said: Said = { body: '' }
  const { url } = await start(t, said)
  const text = Buffer.from('{"a":"é"}')
  const codings: [string, Buffer][] = [
    ['gzip', zlib.gzipSync(text)],
    ['GZIP', zlib.gzipSync(text)],
    ['x-gzip', zlib.gzipSync(text)],
    ['deflate', zlib.deflateSync(text)],
    ['deflate', zlib.deflateRawSync(text)],
    ['br', zlib.brotliCompressSync(text)],
    ['zstd', zlib.zstdCompressSync(text)],
    ['identity', text],
    ['gzip, br', zlib.brotliCompressSync(zlib.gzipSync(text))],
    ['identity,gzip', zlib.gzipSync(text)],
    ['gzip', Buffer.concat([zlib.gzipSync(text.subarray(0, 4)), zlib.gzipSync(text.subarray(4))])]
  ]
  for (const [coding, body] of codings) {
    Object.assign(said, { body, headers: { 'content-encoding': coding } })
    const answer = await call(`${url}/t`)
    t.same(answer.json, { a: 'é' }, coding)
    t.equal(answer.headers.get('content-encoding'), null)
    t.same((await call(`${url}/c`)).json, { p: { a: 'é' } })
  }
})

t.test('content that cannot be decoded or exceeds maxBody gets 502', async t => {
  const said: Said = { body: '' }
  const { url } = await start(t, said)
  const json = zlib.gzipSync('{"a":1}')
  const bomb = Buffer.from(`{"a":"${'x'.repeat(MAX_BODY)}"}`)
  const cases: [coding: string, body: Buffer][] = [
    ['gzip', zlib.gzipSync(bomb)],
    ['br', zlib.brotliCompressSync(bomb)],
    ['zstd', zlib.zstdCompressSync(bomb)],
    ['deflate', zlib.deflateSync(bomb)],
    ['gzip, gzip', zlib.gzipSync(zlib.gzipSync(bomb))],
    ['gzip', json.subarray(0, -4)],
    ['gzip', Buffer.concat([json.subarray(0, 12), Buffer.from([255, 255]), json.subarray(14)])],
    ['br', json],
    ['gzip', Buffer.from('{"a":1}')],
    ['gzip', Buffer.alloc(0)],
    ['compress', json],
    ['constructor', json],
    ['gzip,gzip,gzip,gzip', json]
  ]
  for (const [coding, body] of cases) {
    Object.assign(said, { body, headers: { 'content-encoding': coding } })
    const { json } = await call(`${url}/t`)
    t.match(json, { status: 502, type: 'urn:sluice:upstream-invalid-response' }, `${coding} ${body.length}`)
    t.same((await call(`${url}/c`)).json, { p: null, missing: ['p'] })
  }
})

t.test('a byte order mark is ignored, and the charset is used', async t => {
  const said: Said = { body: '' }
  const { url } = await start(t, said)
  const read: [type: string, body: string | Buffer][] = [
    ['application/json', '\ufeff{"a":"é"}'],
    ['application/json;charset="UTF8"', '{"a":"é"}'],
    ['application/json; Charset=iso-8859-1', Buffer.from('{"a":"é"}', 'latin1')],
    ['application/json;charset=utf-16', Buffer.from('\ufeff{"a":"é"}', 'utf16le')],
    ['text/html', '{"a":"é"}']
  ]
  for (const [type, body] of read) {
    Object.assign(said, { body, headers: { 'content-type': type } })
    t.same((await call(`${url}/t`)).json, { a: 'é' }, type)
  }
  const refused: [type: string, body: string | Buffer][] = [
    ['application/json', Buffer.from('{"a":"é"}', 'latin1')],
    ['application/json', Buffer.from('\ufeff{"a":"é"}', 'utf16le')],
    ['application/json;charset=x-unknown', '{"a":"é"}']
  ]
  for (const [type, body] of refused) {
    Object.assign(said, { body, headers: { 'content-type': type } })
    t.equal((await call(`${url}/t`)).status, 502, type)
  }
})

t.test('hostile content is read or gets 502 in bounded time', async t => {
  const said: Said = { body: '' }
  const { url } = await start(t, said)
  const fill = (unit: string) => `{"a":[${unit.repeat(2_000_000 / unit.length)}1]}`
  for (const unit of ['1e1,', '12345678901234567890,', '1.0000000000000001,', '{},']) {
    said.body = fill(unit)
    t.equal((await call(`${url}/t`)).status, 200, unit)
  }
  for (const open of ['[', '{"a":']) {
    said.body = open.repeat(MAX_BODY / open.length)
    t.equal((await call(`${url}/t`)).status, 502, open)
  }
})

t.test('faults of large content are not listed, since that takes longer than parsing', async t => {
  const read = createResponseReader(Type.Array(N))
  const causeOf = (text: string) => {
    try {
      read({ statusCode: 200, headers: {}, body: Buffer.from(text) })
    } catch (error) {
      return ((error as Error).cause as Error).message
    }
  }
  t.match(causeOf(`[${'{},'.repeat(100)}{}]`), /^\/0 must have required properties n/)
  t.equal(causeOf(`[${'{},'.repeat(1_000)}{}]`), 'the content does not match its schema')
})

t.test('__proto__ in a response is not passed on', async t => {
  const said: Said = { body: '' }
  const { url } = await start(t, said)
  for (const name of ['__proto__', '\\u005f_pr\\u006fto__']) {
    said.body = `{"a":{"b":1,"${name}":{"c":1}},"${name}":{}}`
    t.same((await call(`${url}/t`)).json, { a: { b: 1 } })
  }
})

t.test('toClient may return any JSON value, also raw numbers', async t => {
  const service = await startService(t, (_request, response) => response.end('{}'))
  const Shape = Type.Object({
    n: Type.Number(),
    id: Type.Integer(),
    list: Type.Array(Type.Object({ n: Type.Number() })),
    text: Type.String(),
    other: Type.Unknown()
  })
  const given = {
    n: jsonNumber('0.10'),
    id: jsonNumber('12345678901234567890'),
    list: [{ n: jsonNumber('1e400'), unnamed: 1 }, { n: 2 }],
    text: '12345678901234567000',
    other: jsonNumber('9007199254740993'),
    unnamed: jsonNumber('1')
  }
  const responses: [schema: Type.TSchema, value: unknown, text: string][] = [
    [
      Shape,
      given,
      '{"n":0.10,"id":12345678901234567890,"list":[{"n":1e400},{"n":2}],"text":"12345678901234567000","other":9007199254740993}'
    ],
    [Type.Array(Type.Number()), [jsonNumber('0.10')], '[0.10]'],
    [Type.Number(), 5, '5'],
    [Type.String(), 'a"b', '"a\\"b"'],
    [Type.Union([Type.Null(), Type.Object({})]), null, 'null'],
    [Type.Boolean(), false, 'false'],
    [Type.Record(Type.String(), Type.String()), { a: 'b' }, '{"a":"b"}'],
    [
      Type.Intersect([Type.Object({ a: Type.String() }), Type.Object({ b: Type.Number() })]),
      { a: '', b: 1 },
      '{"a":"","b":1}'
    ]
  ]
  const answers = responses.map(([response, value]) => ({ response, value }))
  const routes = async (app: FastifyInstance) => {
    await app.register(transform)
    await app.register(compose)
    for (const [i, { response, value }] of answers.entries()) {
      const shared = { upstream: 'things', upstreamResponse: Type.Unknown() }
      const toUpstream = () => ({ method: 'GET', path: '/' })
      app.transform({ ...shared, method: 'GET', url: `/t${i}`, response, toUpstream, toClient: () => value })
      const parts = { p: { ...shared, path: () => '/' } }
      app.compose({ url: `/c${i}`, response, parts, toClient: () => value })
    }
    app.transform({
      method: 'GET',
      url: '/nothing',
      upstream: 'things',
      upstreamResponse: Type.Unknown(),
      response: Type.Object({}),
      toUpstream: () => ({ method: 'GET', path: '/' }),
      toClient: () => undefined as never
    })
  }
  const { url } = await startGateway(t, {
    upstreams: { things: { url: service } },
    scopes: { x: { prefix: '/x', routes } }
  })
  for (const [i, [, , text]] of responses.entries())
    for (const kind of ['t', 'c']) {
      const answer: Answer = await call(`${url}/x/${kind}${i}`)
      t.equal(answer.status, 200)
      t.equal(answer.text, text)
      t.equal(answer.headers.get('content-type'), 'application/json; charset=utf-8')
      const head = await fetch(`${url}/x/${kind}${i}`, { method: 'HEAD' })
      t.equal(head.headers.get('content-length'), String(Buffer.byteLength(text)))
    }
  t.equal((await call(`${url}/x/nothing`)).status, 500)
})
