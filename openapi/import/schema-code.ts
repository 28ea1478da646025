import { unescapePointer } from '../../http/json/pointer.ts'
import { isObject } from '../../schemas/options/faults.ts'
import type { Json, ParsedDocument } from '../parsed-document.ts'
import { identifier, keyOf, listOf, literal, objectOf } from './code.ts'

/** Names that the file uses itself, and words that name nothing. */
const RESERVED = [
  'Type',
  'forward',
  'path',
  'transform',
  'queryOf',
  'app',
  'FastifyInstance',
  'Object',
  'String',
  'Array'
]
const WORDS =
  'break case catch class const continue debugger default delete do else enum export extends false finally for function if import in instanceof new null return super switch this throw true try typeof var void while with yield let static implements interface package private protected public await async arguments eval undefined'

const LIMITS = new Map([
  ['string', ['minLength', 'maxLength']],
  ['number', ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf']],
  ['array', ['minItems', 'maxItems']],
  ['object', ['minProperties', 'maxProperties']]
])
const LENGTHS = /^(min|max)(Length|Items|Properties)$/

/** Formats that the gateway checks (ajv-formats). */
const FORMATS = new Set([
  ...['date', 'time', 'date-time', 'duration', 'uri', 'uri-reference', 'email', 'hostname', 'ipv4', 'ipv6'],
  ...['uuid', 'regex', 'json-pointer', 'int32', 'int64', 'float', 'double', 'byte']
])

const UNSUPPORTED = [
  ...['not', 'if', 'then', 'else', 'contains', 'prefixItems', 'patternProperties', 'propertyNames'],
  ...[
    'dependentRequired',
    'dependentSchemas',
    'unevaluatedItems',
    'unevaluatedProperties',
    '$dynamicRef',
    'contentSchema'
  ]
]
const MAX_DEPTH = 50

/** Writes schemas as TypeBox code. Schemas of the components become constants. */
export class SchemaWriter {
  readonly taken = new Set([...RESERVED, ...WORDS.split(' ')])
  readonly #document: ParsedDocument
  readonly #names = new Map<unknown, string>()
  readonly #notes = new Map<string, Set<string>>()
  readonly #open: { schema: unknown; notes: Set<string> }[] = []
  readonly #constants: string[] = []

  constructor(document: ParsedDocument) {
    this.#document = document
  }

  /** The constants that `write` has referred to, in an order in which each is defined before its use. */
  get constants(): readonly string[] {
    return this.#constants
  }

  /** Returns TypeBox code, and adds to `notes` what it does not validate. */
  write(schema: unknown, notes: Set<string>): string {
    return this.#write(schema, notes, 0)
  }

  #write(schema: unknown, notes: Set<string>, depth: number): string {
    if (schema === false) return 'Type.Never()'
    if (!isObject(schema)) return 'Type.Unknown()'
    if (depth > MAX_DEPTH) {
      notes.add(`schemas deeper than ${MAX_DEPTH}`)
      return 'Type.Unknown()'
    }
    if (typeof schema.$ref === 'string') return this.#reference(schema.$ref, notes, depth)
    for (const keyword of UNSUPPORTED) if (schema[keyword] !== undefined) notes.add(`the keyword ${keyword}`)
    const write = (part: unknown) => this.#write(part, notes, depth + 1)
    const parts = [
      ...(Array.isArray(schema.allOf) ? schema.allOf.map(write) : []),
      ...[schema.oneOf, schema.anyOf].filter(Array.isArray).map(list => union(list.map(write))),
      ...this.#own(schema, write, notes)
    ]
    const code =
      parts.length === 0
        ? 'Type.Unknown()'
        : parts.length === 1
          ? (parts[0] as string)
          : `Type.Intersect(${listOf(parts)})`
    const isNullable = this.#document.version === '3.0' && schema.nullable === true
    return isNullable && code !== 'Type.Unknown()' ? union([code, 'Type.Null()']) : code
  }

  #reference(reference: string, notes: Set<string>, depth: number): string {
    const target = this.#document.resolve({ $ref: reference })
    if (target === undefined) {
      notes.add(`the reference ${reference}`)
      return 'Type.Unknown()'
    }
    if (this.#open.some(({ schema }) => schema === target)) {
      notes.add(`values below ${reference}, which refers to itself`)
      return 'Type.Unknown()'
    }
    const known = this.#names.get(target)
    if (known !== undefined) {
      for (const note of this.#notes.get(known) ?? []) notes.add(note)
      return known
    }
    const own = new Set<string>()
    this.#open.push({ schema: target, notes: own })
    const code = this.#write(target, own, depth + 1)
    this.#open.pop()
    for (const note of own) notes.add(note)
    const name = identifier(unescapePointer(reference.split('/').at(-1) ?? ''), 'Schema', this.taken)
    this.#names.set(target, name)
    this.#notes.set(name, own)
    this.#constants.push(`const ${name} = ${code}`)
    return name
  }

  /** Returns the code of the schema's own keywords: one item, or none. */
  #own(schema: Json, write: (part: unknown) => string, notes: Set<string>): string[] {
    if (Object.hasOwn(schema, 'const')) return [literals([schema.const], notes)]
    if (Array.isArray(schema.enum)) return [literals(schema.enum, notes)]
    const types = [schema.type ?? inferredType(schema)].flat().filter(type => type !== undefined)
    if (types.length === 0) return []
    return [union(types.map(type => this.#typed(String(type), schema, write, notes)))]
  }

  #typed(type: string, schema: Json, write: (part: unknown) => string, notes: Set<string>): string {
    const options = optionsOf(type, schema, notes)
    const call = (name: string, ...args: string[]) =>
      `Type.${name}(${[...args, ...(options.length > 0 ? [objectOf(options)] : [])].join(', ')})`
    switch (type) {
      case 'string':
        return call('String')
      case 'integer':
        return call('Integer')
      case 'number':
        return call('Number')
      case 'boolean':
        return 'Type.Boolean()'
      case 'null':
        return 'Type.Null()'
      case 'array':
        return call('Array', write(schema.items ?? true))
      case 'object':
        return this.#objectCode(schema, write, options)
      default:
        notes.add(`the type ${type}`)
        return 'Type.Unknown()'
    }
  }

  #objectCode(schema: Json, write: (part: unknown) => string, options: string[]): string {
    const required = new Set(Array.isArray(schema.required) ? schema.required.map(String) : [])
    const properties = new Map(Object.entries(isObject(schema.properties) ? schema.properties : {}))
    for (const name of required) if (!properties.has(name)) properties.set(name, true)
    const members = [...properties].map(([name, member]) => {
      const { readOnly, writeOnly } = (this.#document.resolve(member) ?? {}) as Json
      // Such a member is required in one direction only.
      const isRequired = required.has(name) && readOnly !== true && writeOnly !== true
      const code = write(member)
      return `${keyOf(name)}: ${isRequired ? code : `Type.Optional(${code})`}`
    })
    const { additionalProperties } = schema
    const others = isObject(additionalProperties) ? write(additionalProperties) : undefined
    const all = [
      ...(additionalProperties === false ? ['additionalProperties: false'] : []),
      ...(others !== undefined && members.length > 0 ? [`additionalProperties: ${others}`] : []),
      ...options
    ]
    const last = all.length > 0 ? `, ${objectOf(all)}` : ''
    if (members.length === 0 && additionalProperties !== false)
      return `Type.Record(Type.String(), ${others ?? 'Type.Unknown()'}${last})`
    return `Type.Object(${objectOf(members)}${last})`
  }
}

function union(codes: string[]): string {
  const unique = [...new Set(codes)]
  if (unique.includes('Type.Unknown()')) return 'Type.Unknown()'
  return unique.length === 1 ? (unique[0] as string) : `Type.Union(${listOf(unique)})`
}

function literals(values: unknown[], notes: Set<string>): string {
  if (values.length > 1 && values.every(value => typeof value === 'string' || typeof value === 'number'))
    return `Type.Enum(${listOf(values.map(value => (typeof value === 'string' ? literal(value) : `${value}`)))})`
  const codes = values.map(value => {
    if (typeof value === 'string') return `Type.Literal(${literal(value)})`
    if (typeof value === 'number' || typeof value === 'boolean') return `Type.Literal(${value})`
    if (value === null) return 'Type.Null()'
    notes.add('values that are lists or objects')
    return 'Type.Unknown()'
  })
  return codes.length === 0 ? 'Type.Never()' : union(codes)
}

function optionsOf(type: string, schema: Json, notes: Set<string>): string[] {
  const isNumber = type === 'integer' || type === 'number'
  const options = (LIMITS.get(isNumber ? 'number' : type) ?? []).flatMap(keyword => {
    let value = schema[keyword]
    // A boolean in OpenAPI 3.0.
    if (keyword.startsWith('exclusive') && value === true) value = schema[keyword.slice(9).toLowerCase()]
    const isValid =
      typeof value === 'number' &&
      Number.isFinite(value) &&
      (!LENGTHS.test(keyword) || (Number.isInteger(value) && value >= 0))
    return isValid && !(keyword === 'multipleOf' && (value as number) <= 0) ? [`${keyword}: ${value}`] : []
  })
  if (type === 'array' && schema.uniqueItems === true) options.push('uniqueItems: true')
  if (typeof schema.format === 'string' && (type === 'string' || isNumber)) {
    if (FORMATS.has(schema.format)) options.push(`format: ${literal(schema.format)}`)
    else if (!['binary', 'password'].includes(schema.format)) notes.add(`the format ${schema.format}`)
  }
  if (typeof schema.pattern === 'string' && type === 'string') {
    if (isPattern(schema.pattern)) options.push(`pattern: ${literal(schema.pattern)}`)
    else notes.add(`the pattern ${schema.pattern}`)
  }
  return options
}

function isPattern(pattern: string): boolean {
  try {
    new RegExp(pattern, 'u')
    return true
  } catch {
    return false
  }
}

function inferredType(schema: Json): string | undefined {
  if (
    schema.properties !== undefined ||
    schema.additionalProperties !== undefined ||
    schema.required !== undefined
  )
    return 'object'
  return schema.items === undefined ? undefined : 'array'
}
