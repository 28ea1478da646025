import { canonical } from '../canonical.ts'
import type { Json } from '../parsed-document.ts'

/** Keywords of JSON Schema by what the comparison does with them. */

/** Limits with the type that they hold for, and whether a higher value is stricter. */
export const LIMITS = {
  minLength: { type: 'string', isLower: true },
  maxLength: { type: 'string', isLower: false },
  minItems: { type: 'array', isLower: true },
  maxItems: { type: 'array', isLower: false },
  minContains: { type: 'array', isLower: true },
  maxContains: { type: 'array', isLower: false },
  minProperties: { type: 'object', isLower: true },
  maxProperties: { type: 'object', isLower: false }
} as const
export type LimitKeyword = keyof typeof LIMITS

/** Restrict what is valid, and are only compared as a whole. */
export const ASSERTIONS = new Set([
  ...['not', 'if', 'then', 'else', 'contains', 'prefixItems'],
  ...['additionalItems', 'unevaluatedItems', 'unevaluatedProperties', 'patternProperties', 'propertyNames'],
  ...['dependentRequired', 'dependentSchemas', 'dependencies']
])

/** Change no value: descriptions, and definitions that only count where they are referenced. */
const ANNOTATIONS = new Set([
  ...['title', 'description', 'example', 'examples', 'externalDocs', 'xml', 'deprecated', '$comment'],
  ...['$schema', '$id', '$anchor', '$defs', 'definitions', 'nullable', 'discriminator', 'default'],
  ...['readOnly', 'writeOnly']
])

/** Compared one by one, each in its own way. */
const COMPARED = new Set([
  ...Object.keys(LIMITS),
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf', 'pattern', 'format'],
  ...['contentEncoding', 'contentMediaType', 'contentSchema'],
  ...['type', 'enum', 'const', 'uniqueItems', 'required', 'properties', 'additionalProperties', 'items'],
  ...['allOf', 'anyOf', 'oneOf', '$ref']
])

export function isKnown(keyword: string): boolean {
  return COMPARED.has(keyword) || ANNOTATIONS.has(keyword) || keyword.startsWith('x-')
}

/** True if a schema says nothing about the values that are valid. */
export function isAnnotation(schema: unknown): boolean {
  return (
    schema === true ||
    (typeof schema === 'object' &&
      schema !== null &&
      Object.keys(schema).every(keyword => ANNOTATIONS.has(keyword) || keyword.startsWith('x-')))
  )
}

/** Returns the values of a schema that only lists them, as each part of a TypeBox union of literals does. */
export function listedValues(schema: unknown): unknown[] | undefined {
  if (typeof schema !== 'object' || schema === null) return undefined
  const { const: constant, enum: values, type, ...others } = schema as Json
  if (!isAnnotation(others) || (typeof type !== 'string' && type !== undefined)) return undefined
  if (Object.hasOwn(schema, 'const')) return [constant]
  return Array.isArray(values) ? values : undefined
}

const MAX_TEXT = 100_000

/** Returns the text of a keyword's value with its references replaced, so that a change behind a reference is seen. */
export function textOf(value: unknown, resolve: (value: unknown) => unknown): string {
  let size = 0
  const inline = (part: unknown, parents: unknown[]): unknown => {
    if (typeof part !== 'object' || part === null) return part
    if (++size > MAX_TEXT || parents.includes(part)) return { $recursion: (part as Json).$ref ?? true }
    const within = [...parents, part]
    if (Array.isArray(part)) return part.map(one => inline(one, within))
    if (typeof (part as Json).$ref === 'string') {
      const target = resolve(part)
      return target === undefined ? part : inline(target, within)
    }
    return Object.fromEntries(
      Object.entries(part)
        .filter(([name]) => !['description', 'title', 'example', 'examples'].includes(name))
        .map(([name, member]) => [name, inline(member, within)])
    )
  }
  return canonical(inline(value, []))
}
