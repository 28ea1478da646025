import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createDocument } from '../../openapi/parsed-document.ts'
import { clientTypes } from '../../openapi/types/client-types.ts'
import { sluice } from '../cli/golden.ts'
import { compile } from './compile.ts'

const CLIENT = `
import createClient from 'openapi-fetch'
import type { paths } from './api.ts'

const client = createClient<paths>({ baseUrl: 'http://127.0.0.1:8080' })
const shipping = { street: '1 High St', city: 'Leeds', region: 'YKS', postalCode: 'LS1', countryCode: 'GB' }
const line = { productId: 'p-100', quantity: 1, unitPrice: { amount: '0.10', currency: 'GBP' as const } }

export async function right() {
  const { data, error } = await client.POST('/api/v2/orders', { body: { lines: [line], shipping } })
  const total: string | undefined = data?.total.amount
  const title: string | undefined = error?.title
  const read = await client.GET('/api/v2/orders/{id}', { params: { path: { id: '7' } } })
  return [total, title, read.data?.lines[0]?.quantity]
}

export async function wrong() {
  // @ts-expect-error there is no such path
  await client.GET('/api/v2/order', {})
  // @ts-expect-error there is no such method
  await client.DELETE('/api/v2/orders/{id}', { params: { path: { id: '7' } } })
  // @ts-expect-error the parameter is missing
  await client.GET('/api/v2/orders/{id}', {})
  // @ts-expect-error a number is no amount
  await client.POST('/api/v2/orders', { body: { lines: [{ ...line, unitPrice: { ...line.unitPrice, amount: 0.1 } }], shipping } })
  // @ts-expect-error a member is missing
  await client.POST('/api/v2/orders', { body: { lines: [line] } })
  const { data } = await client.GET('/api/v2/orders/{id}', { params: { path: { id: '7' } } })
  // @ts-expect-error there is no such member
  return data?.items
}
`

t.test('a right call compiles with the types, and a wrong one does not', async t => {
  const folder = t.testdir({ 'client.ts': CLIENT })
  t.same(await sluice(['openapi', '--types', join(folder, 'api.ts')]), { code: 0, out: '', err: '' })
  t.equal(compile(folder), '')
})

t.test('schemas become types', async t => {
  const node = { $ref: '#/components/schemas/Node' }
  const schemas = {
    Node: {
      type: 'object',
      required: ['value'],
      properties: { value: { type: ['integer', 'null'] }, next: node }
    },
    Pet: {
      oneOf: [
        { type: 'object', required: ['kind'], properties: { kind: { const: 'cat' } } },
        { type: 'string', enum: ['a', 'b'] }
      ]
    },
    Merged: {
      allOf: [
        node,
        { type: 'object', required: ['extra'], properties: { extra: { type: 'array', items: node } } }
      ]
    },
    Map: { type: 'object', additionalProperties: { type: 'number' } },
    Open: { type: 'object', properties: { a: { type: 'string' } }, additionalProperties: { type: 'number' } },
    Pair: { type: 'array', prefixItems: [{ type: 'string' }, { type: 'number' }], items: false },
    Nothing: false
  }
  const check = `
import type { components } from './api.ts'
type Schemas = components['schemas']
export const node: Schemas['Node'] = { value: null, next: { value: 1 } }
export const pets: Schemas['Pet'][] = [{ kind: 'cat' }, 'a']
export const merged: Schemas['Merged'] = { value: 1, extra: [{ value: 2 }] }
export const map: Schemas['Map'] = { a: 1 }
export const open: Schemas['Open'] = { a: 'x', b: 2 }
export const pair: Schemas['Pair'] = ['a', 1]
// @ts-expect-error a member is missing
export const noNode: Schemas['Node'] = {}
// @ts-expect-error no alternative
export const noPet: Schemas['Pet'] = 'c'
// @ts-expect-error no number
export const noMap: Schemas['Map'] = { a: 'x' }
// @ts-expect-error wrong order
export const noPair: Schemas['Pair'] = [1, 'a']
// @ts-expect-error no value is possible
export const nothing: Schemas['Nothing'] = 1
`
  const document = createDocument({ openapi: '3.1.0', paths: {}, components: { schemas } }, 'api')
  const folder = t.testdir({ 'api.ts': clientTypes(document), 'check.ts': check })
  t.equal(compile(folder), '')
})

t.test('text of a document cannot become code', async t => {
  const attack =
    '*/ globalThis.attacked = 1 /*"\'`\x24{globalThis.attacked = 1}\n}; globalThis.attacked = 1 //\u2028globalThis.attacked = 1\\'
  const schema = {
    type: 'object',
    description: attack,
    required: [attack],
    properties: {
      [attack]: { enum: [attack] },
      ['__proto__']: { const: attack, deprecated: true, description: `${attack}*` }
    }
  }
  const operation = {
    summary: attack,
    operationId: attack,
    parameters: [
      { name: attack, in: 'query', schema, description: attack },
      { name: attack, in: attack, schema }
    ],
    requestBody: { content: { [attack]: { schema } } },
    responses: {
      200: { description: attack, headers: { [attack]: { schema } }, content: { [attack]: { schema } } },
      [attack]: {}
    }
  }
  const document = {
    openapi: '3.1.0',
    info: { title: attack, version: attack },
    paths: { [`/${attack}`]: { get: operation, [attack]: operation } },
    components: { schemas: { [attack]: schema }, responses: { [attack]: operation.responses[200] } }
  }
  const folder = t.testdir({ 'api.ts': clientTypes(createDocument(document, 'api')) })
  t.equal(compile(folder), '')
  await import(join(folder, 'api.ts'))
  t.notOk('attacked' in globalThis)
  // Only types: nothing is left when they are stripped.
  const { stripTypeScriptTypes } = await import('node:module')
  t.match(
    stripTypeScriptTypes(readFileSync(join(folder, 'api.ts'), 'utf8')),
    /^\s*(\/\*[\s\S]*\*\/)?\s*(export\s*\{\};?)?\s*$/
  )
})

t.test('a document that cannot be read has no types', async t => {
  const file = join(t.testdir(), 'api.ts')
  t.match(await sluice(['openapi', '--document', '/nowhere.json', '--types', file]), {
    code: 2,
    err: /cannot be read/
  })
  let deep: object = { type: 'string' }
  for (let i = 0; i < 200; i++) deep = { type: 'array', items: deep }
  const document = createDocument({ openapi: '3.1.0', paths: {}, components: { schemas: { deep } } }, 'api')
  t.throws(() => clientTypes(document), { message: /nested deeper than 100/ })
})
