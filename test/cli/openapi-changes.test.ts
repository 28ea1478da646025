import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { sluice } from './golden.ts'

const folder = t.testdir()

/** Writes the document of the example gateway, changed. */
async function writeOld(name: string, change: (document: any) => void): Promise<string> {
  const document = JSON.parse((await sluice(['openapi'])).out)
  change(document)
  const file = join(folder, name)
  writeFileSync(file, JSON.stringify(document))
  return file
}

t.test('the document of a config breaks no client of its own', async t => {
  const { code, out, err } = await sluice([
    'openapi',
    '--strict',
    '--against',
    await writeOld('same.json', () => {})
  ])
  t.same([code, out, err], [0, '0 breaking changes, 0 warnings, 0 compatible changes\n', ''])
})

t.test('breaking changes are printed and fail the command', async t => {
  const old = await writeOld('old.json', ({ paths }) => {
    const { schema } = paths['/api/v2/orders'].post.requestBody.content['application/json']
    schema.properties.lines.maxItems = 200
    paths['/api/v1/\u202egone\u001b[2J'] = { get: { responses: {} } }
  })
  const { code, out } = await sluice(['openapi', '--against', old])
  t.equal(code, 1)
  t.match(
    out,
    /breaking request-limit-tightened {2}POST \/api\/v2\/orders\n {9}request body \/lines: maxItems from 200 to 100; /
  )
  t.match(out, /2 breaking changes, 0 warnings, 0 compatible changes/)
  t.notMatch(out, /[\x00-\x09\x0b-\x1f\u202e]/)
  const json = JSON.parse((await sluice(['openapi', '--json', '--against', old])).out)
  t.equal(json.ok, false)
  t.match(json.changes[0], {
    rule: 'request-limit-tightened',
    part: 'request body /lines',
    pointer: '/paths/~1api~1v2~1orders/post/requestBody/content/application~1json/schema/properties/lines'
  })
})

t.test('warnings fail the command with --strict only', async t => {
  const old = await writeOld('warning.json', ({ paths }) => {
    paths['/api/v2/orders'].post.requestBody.content['application/json'].schema.properties.gift = {
      type: 'boolean'
    }
    paths['/api/v2/orders'].post.requestBody.content['application/json'].schema.additionalProperties = true
  })
  const lenient = await sluice(['openapi', '--against', old])
  t.match(lenient.out, /breaking request-member-rejected/)
  const id = await writeOld('id.json', ({ paths }) => {
    paths['/api/v2/orders'].post.operationId = 'order'
  })
  t.match(await sluice(['openapi', '--against', id]), { code: 0, out: /0 breaking changes, 1 warning, / })
  t.equal((await sluice(['openapi', '--strict', '--against', id])).code, 1)
})

t.test('two documents are compared without a config', async t => {
  const yaml = (type: string) =>
    `openapi: 3.0.3\npaths: { /a: { get: { parameters: [{ name: q, in: query, schema: { type: ${type} } }], responses: {} } } }`
  const files = ['string', 'integer'].map(type => {
    const file = join(folder, `${type}.yaml`)
    writeFileSync(file, yaml(type))
    return file
  }) as [string, string]
  const args = (old: string, now: string) => [
    'openapi',
    '-c',
    '/nowhere.ts',
    '--document',
    now,
    '--against',
    old
  ]
  t.equal((await sluice(args(files[0], files[1]))).code, 1)
  t.equal((await sluice(args(files[1], files[0]))).code, 0)
})

t.test('a version that has ended breaks no client of the others', async t => {
  const config = (versions: string) => `
import { defineGateway, transform } from 'sluice'
import Type from 'typebox'

const Order = Type.Object({ id: Type.String() })
const routes = async app => {
  await app.register(transform)
  app.transform({
    method: 'GET', url: '/', upstream: 'orders', upstreamResponse: Order, response: Order,
    toUpstream: () => ({ method: 'GET', path: '/' }), toClient: order => order
  })
}

export default defineGateway({
  upstreams: { orders: { url: 'http://127.0.0.1:4001' } },
  scopes: {
    orders: { prefix: '/{version}/orders', version: { header: 'Accept-Version', default: 'v2' }, versions: { ${versions} } }
  }
})
`
  writeFileSync(
    join(folder, 'both.ts'),
    config(
      "v1: { routes, deprecated: '2019-01-01T00:00:00Z', sunset: '2020-01-01T00:00:00Z' }, v2: { routes }"
    )
  )
  writeFileSync(join(folder, 'v2.ts'), config('v2: { routes }'))
  const write = async (...args: string[]) => {
    const file = join(folder, 'written.json')
    t.match(await sluice(['openapi', '-c', join(folder, 'both.ts'), '--out', file, ...args]), {
      code: 0,
      err: ''
    })
    return file
  }
  const compare = async (old: string, ...args: string[]) =>
    sluice(['openapi', '-c', join(folder, 'v2.ts'), '--against', old, ...args])
  t.match(await compare(await write('--version', 'v2'), '--version', 'v2', '--strict'), { code: 0 })
  const all = JSON.parse((await compare(await write(), '--json')).out).changes
  t.match(
    all.filter(({ path }: { path: string }) => path === '/v1/orders'),
    [{ rule: 'ended-operation-removed', level: 'compatible' }]
  )
})

t.test('a document that cannot be read is wrong usage', async t => {
  for (const [name, content, message] of [
    ['two.json', '{ "swagger": "2.0" }', /two.json is OpenAPI 2.0; convert it/],
    ['text.json', 'hello', /text.json is no OpenAPI document/],
    ['broken.json', '{', /broken.json is neither JSON nor YAML/]
  ] as const) {
    writeFileSync(join(folder, name), content)
    const { code, out, err } = await sluice(['openapi', '--against', join(folder, name)])
    t.same([code, out], [2, ''])
    t.match(err, message)
  }
  t.match(await sluice(['openapi', '--types', 'a.ts', '--against', 'b.json']), { code: 2, err: /not both/ })
  for (const file of [join(folder, 'missing.json'), folder])
    t.match(await sluice(['openapi', '--against', file]), { code: 2, err: /cannot be read|is no file/ })
})
