import { type Bound, compareLower, compareUpper } from './bounds.ts'
import { LIMITS, type LimitKeyword } from './keywords.ts'
import type { SchemaRule } from './rules.ts'
import type { Shape } from './shape.ts'
import { type TypeName, typesInWords, typesWithout } from './types-of.ts'

export interface ValueChange {
  rule: SchemaRule
  /** Says what changed: `maxLength from 20 to 10`. */
  what: string
}

/** Compares the keywords about a value itself: type, enum, limits, pattern, format. */
export function compareValues(old: Shape, now: Shape, isText: boolean): ValueChange[] {
  if (old.isPossible !== now.isPossible)
    return [
      now.isPossible
        ? { rule: 'type-widened', what: 'schema from false to one that allows values' }
        : { rule: 'type-changed', what: 'schema to false, which allows no value' }
    ]
  return [
    ...compareTypes(old, now, isText),
    ...compareEnums(old, now),
    ...compareLimits(old, now),
    ...comparePatterns(old, now),
    ...compareFormats(old, now),
    ...compareMultiples(old, now)
  ]
}

function compareTypes(old: Shape, now: Shape, isText: boolean): ValueChange[] {
  const changes: ValueChange[] = []
  const removed = typesWithout(old.types, now.types, isText)
  const added = typesWithout(now.types, old.types, isText)
  if (!isText) {
    if (take(removed, 'null') && old.types !== undefined)
      changes.push({ rule: 'null-removed', what: 'null from allowed to not allowed' })
    else if (old.types === undefined && removed.length > 0) removed.push('null')
    if (take(added, 'null') && now.types !== undefined)
      changes.push({ rule: 'null-added', what: 'null from not allowed to allowed' })
  }
  const rule =
    removed.length > 0 && added.length > 0
      ? 'type-changed'
      : removed.length > 0
        ? 'type-narrowed'
        : added.length > 0
          ? 'type-widened'
          : undefined
  if (rule !== undefined)
    changes.push({ rule, what: `type from ${typesInWords(old.types)} to ${typesInWords(now.types)}` })
  return changes
}

function take(types: TypeName[], name: TypeName): boolean {
  const index = types.indexOf(name)
  if (index >= 0) types.splice(index, 1)
  return index >= 0
}

function compareEnums({ enum: old }: Shape, { enum: now }: Shape): ValueChange[] {
  if (old === undefined && now === undefined) return []
  if (old === undefined) return [{ rule: 'enum-added', what: `values from any to ${listOf(now as never)}` }]
  if (now === undefined) return [{ rule: 'enum-removed', what: `values from ${listOf(old)} to any` }]
  const removed = [...old.keys()].filter(value => !now.has(value))
  const added = [...now.keys()].filter(value => !old.has(value))
  return [
    ...removed.map(
      (value): ValueChange => ({ rule: 'enum-value-removed', what: `value ${brief(value)} removed` })
    ),
    ...added.map((value): ValueChange => ({ rule: 'enum-value-added', what: `value ${brief(value)} added` }))
  ]
}

function compareLimits(old: Shape, now: Shape): ValueChange[] {
  const changes: ValueChange[] = []
  const compare = (keyword: string, before: unknown, after: unknown, order: number) => {
    if (order === 0) return
    const values = order > 0 ? old.enum : now.enum
    // Limits that hold for every listed value change nothing.
    if (values !== undefined && [...values.values()].every(value => fits(value, order > 0 ? now : old)))
      return
    changes.push({
      rule: order > 0 ? 'limit-tightened' : 'limit-loosened',
      what: `${keyword} from ${before ?? 'none'} to ${after ?? 'none'}`
    })
  }
  if (allows(old, 'integer', 'fraction') && allows(now, 'integer', 'fraction')) {
    compare(
      'minimum',
      boundOf(old.lower),
      boundOf(now.lower),
      orderOf(old.lower, now.lower, compareLower, -1)
    )
    compare('maximum', boundOf(old.upper), boundOf(now.upper), orderOf(old.upper, now.upper, compareUpper, 1))
  }
  for (const [name, { type, isLower }] of Object.entries(LIMITS)) {
    const keyword = name as LimitKeyword
    if (!allows(old, type) || !allows(now, type)) continue
    const none = isLower ? 0 : Number.POSITIVE_INFINITY
    const [before, after] = [old.limits.get(keyword), now.limits.get(keyword)]
    const difference = (after ?? none) === (before ?? none) ? 0 : (after ?? none) - (before ?? none)
    compare(keyword, before, after, isLower ? difference : -difference)
  }
  if (old.isUnique !== now.isUnique && allows(old, 'array') && allows(now, 'array'))
    compare('uniqueItems', old.isUnique, now.isUnique, now.isUnique ? 1 : -1)
  return changes
}

/** Returns a positive number if `now` is stricter. */
function orderOf(
  old: Bound | undefined,
  now: Bound | undefined,
  compare: (a: Bound, b: Bound) => number,
  sign: number
): number {
  if (old === undefined || now === undefined) return Number(now !== undefined) - Number(old !== undefined)
  return -sign * compare(now, old)
}

function fits(value: unknown, { lower, upper, limits }: Shape): boolean {
  if (typeof value === 'number') {
    const bound = { value, isExclusive: false }
    return (
      (lower === undefined || compareLower(bound, lower) >= 0) &&
      (upper === undefined || compareUpper(bound, upper) <= 0)
    )
  }
  if (typeof value !== 'string') return false
  const length = [...value].length
  return (
    length >= (limits.get('minLength') ?? 0) &&
    length <= (limits.get('maxLength') ?? Number.POSITIVE_INFINITY)
  )
}

function comparePatterns({ patterns: old, types }: Shape, { patterns: now }: Shape): ValueChange[] {
  if (types !== undefined && !types.has('string')) return []
  const added = [...now].filter(pattern => !old.has(pattern))
  const removed = [...old].filter(pattern => !now.has(pattern))
  if (added.length > 0 && removed.length > 0)
    return [
      { rule: 'pattern-changed', what: `pattern from ${brief(removed.join())} to ${brief(added.join())}` }
    ]
  return [
    ...added.map(
      (one): ValueChange => ({ rule: 'pattern-added', what: `pattern from none to ${brief(one)}` })
    ),
    ...removed.map(
      (one): ValueChange => ({ rule: 'pattern-removed', what: `pattern from ${brief(one)} to none` })
    )
  ]
}

/** Formats whose values are all values of the other. */
const WIDER_FORMATS: Record<string, string> = { int32: 'int64', float: 'double' }

function compareFormats({ formats: old }: Shape, { formats: now }: Shape): ValueChange[] {
  const added = [...now].filter(format => !old.has(format))
  const removed = [...old].filter(format => !now.has(format))
  const what = `format from ${brief(removed.join() || 'none')} to ${brief(added.join() || 'none')}`
  if (added.length === 0 && removed.length === 0) return []
  if (removed.length === 0) return [{ rule: 'format-added', what }]
  if (added.length === 0) return [{ rule: 'format-removed', what }]
  if (WIDER_FORMATS[removed.join()] === added.join()) return [{ rule: 'type-widened', what }]
  if (WIDER_FORMATS[added.join()] === removed.join()) return [{ rule: 'type-narrowed', what }]
  return [{ rule: 'format-changed', what }]
}

function compareMultiples({ multiplesOf: old }: Shape, { multiplesOf: now }: Shape): ValueChange[] {
  const isMultiple = (a: number, b: number) => Math.abs(a / b - Math.round(a / b)) < 1e-9
  const isTighter = [...now].some(b => ![...old].some(a => isMultiple(a, b)))
  const isLooser = [...old].some(a => ![...now].some(b => isMultiple(b, a)))
  const what = `multipleOf from ${[...old].join() || 'none'} to ${[...now].join() || 'none'}`
  return [
    ...(isTighter ? [{ rule: 'limit-tightened', what } as const] : []),
    ...(isLooser ? [{ rule: 'limit-loosened', what } as const] : [])
  ]
}

function allows({ types }: Shape, ...names: TypeName[]): boolean {
  return types === undefined || names.some(name => types.has(name))
}

function boundOf(bound: Bound | undefined): string | undefined {
  return bound && `${bound.value}${bound.isExclusive ? ' (exclusive)' : ''}`
}

function listOf(values: Map<string, unknown>): string {
  return brief([...values.keys()].join(', '))
}

/** Shortens text of a document for a message. */
export function brief(text: string): string {
  return text.length > 100 ? `${text.slice(0, 99)}…` : text
}
