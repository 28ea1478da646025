import { isObject } from '../../schemas/options/faults.ts'
import { canonical } from '../canonical.ts'
import type { Json, ParsedDocument } from '../parsed-document.ts'
import { type Bound, mergeBounds } from './bounds.ts'
import { ASSERTIONS, isKnown, LIMITS, type LimitKeyword, listedValues, textOf } from './keywords.ts'
import { intersect, type TypeName, typesOf } from './types-of.ts'

/** A schema with references and `allOf` resolved, in the terms of both versions of OpenAPI. */
export interface Shape {
  /** Unique within its document. */
  id: string
  pointer: string
  /** Last part of the reference that led here. */
  name: string | undefined
  /** False for the schema `false`. */
  isPossible: boolean
  /** Undefined: all types. */
  types: Set<TypeName> | undefined
  /** Values by canonical text, without null. */
  enum: Map<string, unknown> | undefined
  lower: Bound | undefined
  upper: Bound | undefined
  limits: Map<LimitKeyword, number>
  multiplesOf: Set<number>
  patterns: Set<string>
  formats: Set<string>
  isUnique: boolean
  /** How text holds another value: `base64 image/png`. */
  encoding: string
  /** The schemas of the value that text holds. */
  content: unknown[] | undefined
  required: Set<string>
  /** The schemas that hold for a member, all at once. */
  properties: Map<string, unknown[]>
  additional: unknown[] | undefined
  isClosed: boolean
  items: unknown[] | undefined
  /** The lists of `anyOf` and `oneOf`. */
  groups: unknown[][]
  discriminator: Json | undefined
  default: string | undefined
  isReadOnly: boolean
  isWriteOnly: boolean
  /** Keywords that are compared as a whole. */
  assertions: Map<string, string>
  /** Keywords and references that are not understood. */
  unknown: Map<string, string>
  /** The schemas that this one was made from, without `anyOf` and `oneOf`. */
  parts(): unknown[]
  /** Canonical text, with references replaced. */
  text(): string
}

/** Makes shapes of the schemas of one document. Equal lists of schemas have the same shape. */
export class Shapes {
  readonly #document: ParsedDocument
  readonly #shapes = new Map<string, Shape>()
  readonly #ids = new Map<unknown, number>()
  readonly #withoutGroups = new Map<object, object>()

  constructor(document: ParsedDocument) {
    this.#document = document
  }

  /** Returns the shape of a value that matches all of `schemas`. */
  of(schemas: unknown[]): Shape {
    const ids = [...new Set(schemas.map(schema => this.#idOf(schema)))].sort((a, b) => a - b)
    const key = ids.join('+')
    let shape = this.#shapes.get(key)
    if (shape === undefined) {
      shape = this.#create(key, schemas)
      this.#shapes.set(key, shape)
    }
    return shape
  }

  #idOf(schema: unknown): number {
    let id = this.#ids.get(schema)
    if (id === undefined) {
      id = this.#ids.size
      this.#ids.set(schema, id)
    }
    return id
  }

  #create(id: string, schemas: unknown[]): Shape {
    const shape = emptyShape(id, this.#document.pointerOf(schemas[0]))
    const plain: Json[] = []
    const seen = new Set<unknown>()
    const open = [...schemas].reverse()
    let isNullable: boolean | undefined
    while (open.length > 0) {
      const schema = open.pop()
      if (seen.has(schema)) continue
      seen.add(schema)
      if (typeof schema === 'boolean') {
        shape.isPossible &&= schema
        continue
      }
      if (!isObject(schema)) {
        shape.unknown.set('schema', canonical(schema))
        continue
      }
      if (typeof schema.$ref === 'string') {
        const target = this.#document.resolve({ $ref: schema.$ref })
        shape.name ??= schema.$ref.split('/').at(-1)
        if (target === undefined) shape.unknown.set('$ref', schema.$ref)
        else {
          if (shape.pointer === this.#document.pointerOf(schema) && schemas.length === 1)
            shape.pointer = this.#document.pointerOf(target)
          open.push(target)
        }
        // OpenAPI 3.0 ignores everything beside a reference.
        if (this.#document.version === '3.0') continue
      }
      if (Array.isArray(schema.allOf)) open.push(...[...schema.allOf].reverse())
      plain.push(schema)
      for (const keyword of ['anyOf', 'oneOf'])
        if (Array.isArray(schema[keyword]) && schema[keyword].length > 0) {
          const group = this.#simplify(schema[keyword])
          if (group.only !== undefined) open.push(group.only)
          else if (group.values !== undefined) addEnum(shape, group.values)
          else shape.groups.push(group.members)
          if (group.hasNull) isNullable = true
        }
    }
    for (const schema of plain) this.#merge(shape, schema)
    if (isNullable && shape.types !== undefined) shape.types.add('null')
    closeMerged(shape, plain)
    shape.parts = () => plain.map(schema => this.#plainOf(schema))
    let text: string | undefined
    shape.text = () => {
      text ??= textOf(schemas, schema => this.#document.resolve(schema))
      return text
    }
    return shape
  }

  /** Turns `[{ const: 'a' }, { const: 'b' }]` into values, and `[X, { type: 'null' }]` into X, or null. */
  #simplify(members: unknown[]) {
    const isNull = (schema: unknown) => isObject(schema) && schema.type === 'null'
    const others = members.filter(schema => !isNull(schema))
    const hasNull = others.length < members.length
    const only = others.length === 1 && hasNull ? others[0] : undefined
    const lists = others.map(listedValues)
    const values = lists.every(list => list !== undefined) ? lists.flat() : undefined
    if (hasNull && only === undefined && values === undefined) return { members, hasNull: false }
    return { members, only, values: values && [...values, ...(hasNull ? [null] : [])], hasNull }
  }

  #plainOf(schema: Json): object {
    let plain = this.#withoutGroups.get(schema)
    if (plain === undefined) {
      const { anyOf: _, oneOf: __, allOf: ___, $ref: ____, ...others } = schema
      plain = others
      this.#withoutGroups.set(schema, plain)
    }
    return plain
  }

  #merge(shape: Shape, schema: Json): void {
    const is30 = this.#document.version === '3.0'
    shape.types = intersect(shape.types, typesOf(schema, is30))
    if (Object.hasOwn(schema, 'const')) addEnum(shape, [schema.const])
    // Many documents of OpenAPI 3.0 leave null out of the values of a nullable enum.
    if (Array.isArray(schema.enum))
      addEnum(shape, is30 && schema.nullable === true ? [...schema.enum, null] : schema.enum)
    mergeBounds(shape, schema)
    for (const [keyword, { isLower }] of Object.entries(LIMITS)) {
      const value = schema[keyword]
      if (typeof value !== 'number' || (isLower && value <= 0)) continue
      const current = shape.limits.get(keyword as LimitKeyword)
      const strictest =
        current === undefined ? value : isLower ? Math.max(current, value) : Math.min(current, value)
      shape.limits.set(keyword as LimitKeyword, strictest)
    }
    if (typeof schema.multipleOf === 'number') shape.multiplesOf.add(schema.multipleOf)
    if (typeof schema.pattern === 'string' && !MATCHES_ALL.test(schema.pattern))
      shape.patterns.add(schema.pattern)
    if (typeof schema.format === 'string') shape.formats.add(schema.format)
    shape.isUnique ||= schema.uniqueItems === true
    const { contentEncoding = '', contentMediaType = '', contentSchema } = schema
    shape.encoding = `${shape.encoding}${contentEncoding} ${contentMediaType}`.trim()
    if (contentSchema !== undefined) shape.content = [...(shape.content ?? []), contentSchema]
    if (Array.isArray(schema.required))
      for (const name of schema.required) if (typeof name === 'string') shape.required.add(name)
    if (isObject(schema.properties))
      for (const [name, member] of Object.entries(schema.properties))
        shape.properties.set(name, [...(shape.properties.get(name) ?? []), member])
    const { additionalProperties } = schema
    if (additionalProperties === false) shape.isClosed = true
    else if (isObject(additionalProperties))
      shape.additional = [...(shape.additional ?? []), additionalProperties]
    if (schema.items !== undefined && !Array.isArray(schema.items))
      shape.items = [...(shape.items ?? []), schema.items]
    if (isObject(schema.discriminator)) shape.discriminator = schema.discriminator
    if (schema.default !== undefined) shape.default = canonical(schema.default)
    shape.isReadOnly ||= schema.readOnly === true
    shape.isWriteOnly ||= schema.writeOnly === true
    for (const [keyword, value] of Object.entries(schema))
      if (ASSERTIONS.has(keyword)) this.#setText(shape.assertions, keyword, value)
      else if (!isKnown(keyword)) this.#setText(shape.unknown, keyword, value)
  }

  #setText(texts: Map<string, string>, keyword: string, value: unknown): void {
    const text = textOf(value, schema => this.#document.resolve(schema))
    texts.set(keyword, `${texts.get(keyword) ?? ''}${text}`)
  }
}

const MATCHES_ALL = /^\^?\.\*\$?$/

function addEnum(shape: Shape, values: unknown[]): void {
  const listed = new Map(values.filter(value => value !== null).map(value => [canonical(value), value]))
  shape.enum =
    shape.enum === undefined ? listed : new Map([...shape.enum].filter(([text]) => listed.has(text)))
  const types = new Set(values.flatMap((value): TypeName[] => typeNamesOf(value)))
  shape.types = intersect(shape.types, types)
}

function typeNamesOf(value: unknown): TypeName[] {
  if (value === null) return ['null']
  if (Array.isArray(value)) return ['array']
  if (typeof value === 'number') return Number.isInteger(value) ? ['integer'] : ['fraction']
  return [typeof value as TypeName]
}

/** `additionalProperties: false` in one part of an `allOf` counts for the members of that part only. */
function closeMerged(shape: Shape, plain: Json[]): void {
  const closed = plain.filter(({ additionalProperties }) => additionalProperties === false)
  if (closed.length === 0 || plain.length === 1) return
  for (const name of shape.properties.keys()) {
    const isRejected = closed.some(({ properties }) => !Object.hasOwn((properties as Json) ?? {}, name))
    if (isRejected) shape.properties.set(name, [false])
  }
}

function emptyShape(id: string, pointer: string): Shape {
  return {
    ...{ id, pointer, name: undefined, isPossible: true, types: undefined, enum: undefined },
    ...{ lower: undefined, upper: undefined, limits: new Map(), multiplesOf: new Set() },
    ...{ patterns: new Set(), formats: new Set(), isUnique: false, required: new Set() },
    ...{ encoding: '', content: undefined },
    ...{ properties: new Map(), additional: undefined, isClosed: false, items: undefined, groups: [] },
    ...{ discriminator: undefined, default: undefined, isReadOnly: false, isWriteOnly: false },
    ...{ assertions: new Map(), unknown: new Map(), parts: () => [], text: () => '' }
  }
}
