import type { Json } from '../parsed-document.ts'

/** Types of JSON values. A number is an integer or a fraction, so that `integer` is a part of `number`. */
export type TypeName = 'null' | 'boolean' | 'integer' | 'fraction' | 'string' | 'array' | 'object'

export const NUMBER: TypeName[] = ['integer', 'fraction']
const SCALARS: TypeName[] = ['null', 'boolean', ...NUMBER, 'string']
const ALL_TYPES: TypeName[] = [...SCALARS, 'array', 'object']

/** Returns the types that `type` and `nullable` allow, or undefined for all. */
export function typesOf({ type, nullable }: Json, is30: boolean): Set<TypeName> | undefined {
  if (type === undefined) return undefined
  const names = [type].flat().flatMap(name => (name === 'number' ? NUMBER : [name as TypeName]))
  return new Set(is30 && nullable === true ? [...names, 'null'] : names)
}

export function intersect(
  a: Set<TypeName> | undefined,
  b: Set<TypeName> | undefined
): Set<TypeName> | undefined {
  if (a === undefined) return b && new Set(b)
  return b === undefined ? a : new Set([...a].filter(name => b.has(name)))
}

/**
 * Returns the types that `a` has and `b` has not. In text, such as a query, the types of scalar values are all parts of
 * `string`.
 */
export function typesWithout(
  a: Set<TypeName> | undefined,
  b: Set<TypeName> | undefined,
  isText: boolean
): TypeName[] {
  const others = new Set(b ?? ALL_TYPES)
  if (isText && others.has('string'))
    for (const name of ['null', 'boolean', ...NUMBER] as const) others.add(name)
  const all = isText ? SCALARS : ALL_TYPES
  return [...(a ?? all)].filter(name => !others.has(name))
}

/** `integer or null`. */
export function typesInWords(types: Iterable<TypeName> | undefined): string {
  if (types === undefined) return 'any type'
  const set = new Set(types)
  const names = NUMBER.every(name => set.has(name))
    ? ['number', ...[...set].filter(name => !NUMBER.includes(name))]
    : [...set].map(name => (name === 'fraction' ? 'number' : name))
  return names.join(' or ') || 'no type'
}
