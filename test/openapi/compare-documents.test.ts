import t from 'tap'
import type { Change } from '../../openapi/diff/change.ts'
import { compareDocuments } from '../../openapi/diff/compare-documents.ts'
import { createDocument, parseDocument } from '../../openapi/parsed-document.ts'

type Json = Record<string, unknown>

const NOW = Date.parse('2026-11-30')

function compare(old: Json, now: Json): Change[] {
  return compareDocuments(createDocument(old, 'old.json'), createDocument(now, 'new.json'), NOW)
}

function document(operation: Json, rest: Json = {}, version = '3.1.0'): Json {
  return {
    openapi: version,
    info: { title: 'Orders', version: '1' },
    paths: { '/orders': { post: operation } },
    ...rest
  }
}

const json = (schema: unknown) => ({ content: { 'application/json': { schema } } })
const responding = (schema: unknown, rest: Json = {}, version?: string) =>
  document({ responses: { 200: { description: 'OK', ...json(schema) } } }, rest, version)
const requesting = (schema: unknown, rest: Json = {}, version?: string) =>
  document({ requestBody: { required: true, ...json(schema) }, responses: {} }, rest, version)
const breaking = (changes: Change[]) =>
  changes.filter(({ level }) => level === 'breaking').map(({ rule }) => rule)

t.test('a change names its rule, place, difference and reason', async t => {
  const schemas = (limit: number) => ({
    components: {
      schemas: {
        Order: {
          type: 'object',
          properties: { items: { type: 'array', items: { $ref: '#/components/schemas/Item' } } }
        },
        Item: { type: 'object', properties: { 'unit/price': { type: 'number', maximum: limit } } }
      }
    }
  })
  const order = { $ref: '#/components/schemas/Order' }
  const [change, ...others] = compare(requesting(order, schemas(10)), requesting(order, schemas(5)))
  t.same(change, {
    rule: 'request-limit-tightened',
    level: 'breaking',
    method: 'POST',
    path: '/orders',
    part: 'request body /items/*/unit~1price',
    pointer: '/components/schemas/Item/properties/unit~1price',
    change: 'maximum from 10 to 5',
    why: 'requests that were valid are rejected'
  })
  t.same(others, [])
})

t.test('what a request may do, a response may not, and the reverse', async t => {
  const narrow = { type: 'object', required: ['a'], properties: { a: { enum: ['x'] } } }
  const wide = { type: 'object', properties: { a: { type: ['string', 'null'] } } }
  t.same(breaking(compare(requesting(narrow), requesting(wide))), [])
  t.same(breaking(compare(requesting(wide), requesting(narrow))), [
    'request-member-required',
    'request-null-removed',
    'request-enum-added'
  ])
  t.same(breaking(compare(responding(wide), responding(narrow))), [])
  t.same(breaking(compare(responding(narrow), responding(wide))), [
    'response-member-optional',
    'response-null-added',
    'response-enum-removed'
  ])
})

t.test('a document equals itself in both versions of OpenAPI', async t => {
  const old = {
    type: 'object',
    properties: {
      a: { type: 'number', nullable: true, minimum: 0, exclusiveMinimum: true },
      b: { enum: ['x'] }
    }
  }
  const now = {
    type: 'object',
    properties: { a: { type: ['number', 'null'], exclusiveMinimum: 0 }, b: { const: 'x' } }
  }
  t.same(compare(responding(old, {}, '3.0.3'), responding(now)), [])
  t.same(compare(requesting(old, {}, '3.0.3'), requesting(now)), [])
})

t.test('keywords beside a reference count in OpenAPI 3.1 only', async t => {
  const components = { components: { schemas: { A: { type: 'string' } } } }
  const beside = { $ref: '#/components/schemas/A', maxLength: 5 }
  const alone = { $ref: '#/components/schemas/A' }
  t.same(compare(requesting(alone, components, '3.0.3'), requesting(beside, components, '3.0.3')), [])
  t.same(breaking(compare(requesting(alone, components), requesting(beside, components))), [
    'request-limit-tightened'
  ])
})

t.test('different spellings of a schema are equal', async t => {
  const components = { components: { schemas: { A: { type: 'string', minLength: 1 } } } }
  const spellings = [
    { type: ['string', 'null'], minLength: 1 },
    { anyOf: [{ $ref: '#/components/schemas/A' }, { type: 'null' }] },
    { oneOf: [{ type: 'null' }, { allOf: [{ type: 'string' }, { minLength: 1 }] }] }
  ]
  const unions = [
    { enum: ['a', 'b'] },
    { anyOf: [{ const: 'a' }, { const: 'b' }] },
    { oneOf: [{ enum: ['b'] }, { const: 'a' }] }
  ]
  for (const group of [spellings, unions])
    for (const old of group)
      for (const now of group) t.same(compare(responding(old, components), responding(now, components)), [])
})

t.test('recursive schemas are compared once', async t => {
  const tree = (name: string, value: Json) => ({
    components: {
      schemas: {
        Node: {
          type: 'object',
          properties: {
            [name]: value,
            children: { type: 'array', items: { $ref: '#/components/schemas/Node' } },
            other: { $ref: '#/components/schemas/Other' }
          }
        },
        Other: {
          allOf: [
            { $ref: '#/components/schemas/Node' },
            { type: 'object', properties: { parent: { $ref: '#/components/schemas/Other' } } }
          ]
        },
        Loop: { allOf: [{ $ref: '#/components/schemas/Loop' }], type: 'object' },
        Nowhere: { $ref: '#/components/schemas/Nowhere' }
      }
    }
  })
  const node = { $ref: '#/components/schemas/Node' }
  const changes = compare(
    responding(node, tree('a', { type: 'string' })),
    responding(node, tree('a', { type: 'integer' }))
  )
  t.ok(changes.length > 0 && changes.every(({ rule }) => rule === 'response-type-changed'))
  t.same(compare(responding(node, tree('a', {})), responding(node, tree('a', {}))), [])
  const loop = { $ref: '#/components/schemas/Loop' }
  t.same(compare(responding(loop, tree('a', {})), responding(loop, tree('a', {}))), [])
  const nowhere = { $ref: '#/components/schemas/Nowhere' }
  t.same(breaking(compare(responding({}, tree('a', {})), responding(nowhere, tree('a', {})))), [])
  t.match(compare(responding({}, tree('a', {})), responding(nowhere, tree('a', {}))), [
    { rule: 'response-cannot-tell' }
  ])
})

t.test('keywords and references that are not understood are warnings', async t => {
  for (const schema of [
    { maxTotal: 5 },
    { $dynamicRef: '#node' },
    { $ref: 'other.json#/Order' },
    { $ref: '#/nowhere' },
    7
  ]) {
    for (const put of [requesting, responding]) {
      t.match(compare(put({}), put(schema)), [{ level: 'warning', rule: /-cannot-tell$/ }])
      t.same(compare(put(schema), put(structuredClone(schema))), [])
    }
  }
  t.match(compare(requesting({ not: { type: 'string' } }), requesting({ not: { type: 'integer' } })), [
    { level: 'warning', rule: 'request-assertion-changed' }
  ])
})

t.test('a change behind a keyword that is compared as a whole is seen', async t => {
  const parts = (type: string) => ({ components: { schemas: { A: { type } } } })
  const schema = { propertyNames: { $ref: '#/components/schemas/A' } }
  t.match(compare(requesting(schema, parts('string')), requesting(schema, parts('null'))), [
    { rule: 'request-assertion-changed' }
  ])
})

t.test('alternatives of the same name are compared in detail', async t => {
  const pets = (schemas: Json) => ({ components: { schemas } })
  const cat = { type: 'object', properties: { name: { type: 'string' } } }
  const dog = { type: 'object', properties: { tricks: { type: 'integer' } } }
  const union = { oneOf: [{ $ref: '#/components/schemas/Cat' }, { $ref: '#/components/schemas/Dog' }] }
  const [change] = compare(
    responding(union, pets({ Cat: cat, Dog: dog })),
    responding(union, pets({ Cat: cat, Dog: { ...dog, properties: { tricks: { type: 'string' } } } }))
  )
  t.match(change, { part: 'response 200 /tricks', pointer: '/components/schemas/Dog/properties/tricks' })
  const one = { $ref: '#/components/schemas/Cat' }
  const both = pets({ Cat: cat, Dog: { ...dog, required: ['tricks'] } })
  t.same(breaking(compare(requesting(one, both), requesting(union, both))), [])
  t.same(breaking(compare(responding(union, both), responding(one, both))), [])
  t.same(breaking(compare(responding(one, both), responding(union, both))), ['response-alternative-added'])
})

t.test('an operation may be removed after its sunset', async t => {
  const operation = (rest: Json) => ({ responses: {}, ...rest })
  const removed = (rest: Json) => compare(document(operation(rest)), { ...document({}), paths: {} })
  t.same(breaking(removed({ deprecated: true, 'x-sunset': '2026-11-01T00:00:00Z' })), [])
  t.same(breaking(removed({ deprecated: true, 'x-sunset': '2027-11-01T00:00:00Z' })), ['path-removed'])
  t.same(breaking(removed({ 'x-sunset': '2026-11-01T00:00:00Z' })), ['path-removed'])
  t.same(breaking(removed({ deprecated: true })), ['path-removed'])
})

t.test('a parameter in a path may have another name', async t => {
  const path = (name: string, type: string) => ({
    ...document({}),
    paths: {
      [`/orders/{${name}}`]: {
        get: { parameters: [{ name, in: 'path', required: true, schema: { type } }], responses: {} }
      }
    }
  })
  t.match(compare(path('id', 'string'), path('orderId', 'string')), [
    { rule: 'path-parameter-renamed', level: 'compatible' }
  ])
  t.same(breaking(compare(path('id', 'string'), path('orderId', 'integer'))), ['request-type-narrowed'])
})

t.test('hostile documents end with an answer or an error', async t => {
  const names = Array.from({ length: 40 }, (_, i) => `S${i}`)
  const union = (leaf: Json) => ({
    components: {
      schemas: Object.fromEntries(
        names.map((name, i) => {
          const next = i === names.length - 1 ? leaf : { $ref: `#/components/schemas/S${i + 1}` }
          return [
            name,
            {
              allOf: [{ anyOf: [next, { type: 'string' }] }, { anyOf: [next, { type: 'null' }] }],
              properties: { a: next, b: next }
            }
          ]
        })
      )
    }
  })
  const root = { $ref: '#/components/schemas/S0' }
  t.ok(
    Array.isArray(
      compare(requesting(root, union({ type: 'integer' })), requesting(root, union({ type: 'boolean' })))
    )
  )
  const wide = (type: string) => ({
    allOf: names.map(() => ({ oneOf: [{ type }, { type: 'object' }, { type: 'array' }] }))
  })
  t.match(compare(requesting(wide('string')), requesting(wide('integer'))), [{ rule: 'request-cannot-tell' }])
  const merged = (type: string) => ({
    components: {
      schemas: Object.fromEntries(
        names.map((name, i) => [
          name,
          {
            properties: {
              a: { $ref: `#/components/schemas/S${(i * 7 + 1) % 40}` },
              b: { $ref: `#/components/schemas/S${(i * 11 + 3) % 40}` },
              c: { type }
            }
          }
        ])
      )
    }
  })
  const all = { allOf: names.slice(0, 20).map(name => ({ $ref: `#/components/schemas/${name}` })) }
  t.ok(compare(requesting(all, merged('string')), requesting(all, merged('integer'))).length > 0)

  let deep: Json = { type: 'string' }
  for (let i = 0; i < 10_000; i++) deep = { items: deep }
  t.throws(() => compare(requesting(deep), requesting(deep)), { message: /nested deeper than 500/ })
  t.throws(() => parseDocument('['.repeat(100_000), 'deep.yaml'), { message: /neither JSON nor YAML/ })
  t.throws(() => parseDocument(`{"openapi":"3.1.0","paths":${'{"a":'.repeat(100_000)}`, 'deep.json'), {
    message: /deep.json/
  })
  const bomb = [
    'a: &a [x, x, x, x, x, x, x, x, x]',
    ...'bcdefghi'.split('').map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[i]}`)}]`)
  ]
  t.throws(() => parseDocument(['openapi: 3.1.0', ...bomb].join('\n'), 'bomb.yaml'), { message: /alias/ })
})

t.test('names of members of objects are no special names', async t => {
  const old = JSON.parse(
    '{ "type": "object", "properties": { "constructor": { "type": "string" }, "__proto__": { "type": "string" } } }'
  )
  const now = JSON.parse('{ "type": "object", "properties": { "toString": { "type": "string" } } }')
  t.same(
    compare(responding(old), responding(now)).map(({ change }) => change),
    ['member "constructor" removed', 'member "__proto__" removed', 'member "toString" added']
  )
})

t.test('a file that is no OpenAPI document is rejected', async t => {
  for (const [text, message] of [
    ['{"swagger":"2.0"}', /is OpenAPI 2.0; convert it to 3.0 first/],
    ['openapi: 3.2.0', /is OpenAPI 3.2.0; 3.0 and 3.1 are supported/],
    ['{}', /has no member "openapi"/],
    ['[]', /is no OpenAPI document/],
    ['{', /is neither JSON nor YAML/],
    ['a: [', /is neither JSON nor YAML/]
  ] as const)
    t.throws(() => parseDocument(text, 'api'), { message })
})
