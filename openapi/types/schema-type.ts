import { unescapePointer } from '../../http/json/pointer.ts'
import { isObject } from '../../schemas/options/faults.ts'
import { DocumentError, type Json, type ParsedDocument } from '../parsed-document.ts'

const MAX_DEPTH = 100

/** Returns the TypeScript type of a schema. Schemas of the components are referenced by name. */
export function typeOf(document: ParsedDocument, schema: unknown, depth = 0): string {
  if (depth > MAX_DEPTH) throw new DocumentError(`a schema is nested deeper than ${MAX_DEPTH}`)
  const typeOfPart = (part: unknown) => typeOf(document, part, depth + 1)
  if (schema === false) return 'never'
  if (!isObject(schema)) return 'unknown'
  if (typeof schema.$ref === 'string') {
    const target = document.resolve(schema)
    if (target === undefined) return 'unknown'
    const [, name] = /^#\/components\/schemas\/([^/]+)$/.exec(schema.$ref) ?? []
    // Only schemas with a name can refer to themselves.
    return name === undefined
      ? typeOfPart(target)
      : `components["schemas"][${literal(unescapePointer(name))}]`
  }
  const parts = [
    ...(Array.isArray(schema.allOf) ? schema.allOf.map(typeOfPart) : []),
    ...[schema.oneOf, schema.anyOf].filter(Array.isArray).map(list => union(list.map(typeOfPart))),
    ownType(schema, typeOfPart)
  ].filter((type): type is string => type !== undefined && type !== 'unknown')
  const type = parts.length > 1 ? parts.map(parenthesized).join(' & ') : (parts[0] ?? 'unknown')
  return schema.nullable === true && document.version === '3.0' ? union([type, 'null']) : type
}

/** Returns the type that the schema's own keywords describe. */
function ownType(schema: Json, typeOfPart: (part: unknown) => string): string | undefined {
  if (Object.hasOwn(schema, 'const')) return literalType(schema.const)
  if (Array.isArray(schema.enum)) return union(schema.enum.map(literalType))
  const names = [schema.type ?? inferredType(schema)].flat().filter(name => name !== undefined)
  if (names.length === 0) return undefined
  return union(
    names.map(name => {
      if (name === 'object') return objectType(schema, typeOfPart)
      if (name === 'array') return arrayType(schema, typeOfPart)
      return SCALARS.get(String(name)) ?? 'unknown'
    })
  )
}

const SCALARS = new Map([
  ['string', 'string'],
  ['number', 'number'],
  ['integer', 'number'],
  ['boolean', 'boolean'],
  ['null', 'null']
])

function inferredType(schema: Json): string | undefined {
  if (schema.properties !== undefined || schema.additionalProperties !== undefined) return 'object'
  return schema.items === undefined && schema.prefixItems === undefined ? undefined : 'array'
}

function objectType(schema: Json, typeOfPart: (part: unknown) => string): string {
  const required = new Set(Array.isArray(schema.required) ? schema.required : [])
  const members = Object.entries(isObject(schema.properties) ? schema.properties : {}).map(
    ([name, member]) =>
      `${comment(member)}${keyOf(name)}${required.has(name) ? '' : '?'}: ${typeOfPart(member)}`
  )
  const { additionalProperties } = schema
  if (members.length === 0)
    return additionalProperties === false
      ? 'Record<string, never>'
      : `Record<string, ${isObject(additionalProperties) ? typeOfPart(additionalProperties) : 'unknown'}>`
  // An index signature has to allow the types of all members.
  const isOpen = additionalProperties === true || isObject(additionalProperties)
  return block(isOpen ? [...members, '[name: string]: unknown'] : members)
}

function arrayType(schema: Json, typeOfPart: (part: unknown) => string): string {
  const { items, prefixItems } = schema
  const rest = items === undefined ? 'unknown' : typeOfPart(items)
  if (!Array.isArray(prefixItems)) return `${parenthesized(rest)}[]`
  const first = prefixItems.map(item => `(${typeOfPart(item)})?`)
  return `[${[...first, ...(items === false ? [] : [`...${parenthesized(rest)}[]`])].join(', ')}]`
}

function literalType(value: unknown): string {
  if (typeof value === 'string') return literal(value)
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value)
  return 'unknown'
}

export function union(types: string[]): string {
  const unique = [...new Set(types)]
  if (unique.includes('unknown')) return 'unknown'
  return unique.length === 0 ? 'never' : unique.map(parenthesized).join(' | ')
}

function parenthesized(type: string): string {
  return /[|&]/.test(type) && !/^[{(]/.test(type) ? `(${type})` : type
}

/** Returns a string literal, without the line separators that are valid in JSON. */
export function literal(text: string): string {
  return JSON.stringify(text).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')
}

/** Returns the name of a member: `id`, `"unit-price"`. */
export function keyOf(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : literal(name)
}

/** Returns members in braces, indented. */
export function block(members: string[]): string {
  return members.length === 0
    ? 'Record<never, never>'
    : `{\n${members.join('\n').replaceAll(/^(?=.)/gm, '  ')}\n}`
}

/** Returns a doc comment with the description of a part, or ''. Text of a document cannot end the comment. */
export function comment(part: unknown): string {
  const { description, summary, deprecated } = isObject(part) ? part : ({} as Json)
  const text = [summary ?? description].filter(one => typeof one === 'string').join()
  const line = text
    .replaceAll(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, ' ')
    .replaceAll('*/', '*\\/')
    .slice(0, 200)
    .trim()
  const words = [deprecated === true && '@deprecated', line].filter(Boolean).join(' ')
  return words === '' ? '' : `/** ${words} */\n`
}
