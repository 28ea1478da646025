import { isObject } from '../../schemas/options/faults.ts'
import type { Json } from '../parsed-document.ts'
import { pointerTo } from '../pointer.ts'
import { brief, compareValues, type ValueChange } from './compare-values.ts'
import type { Place, SchemaRule } from './rules.ts'
import type { Shape, Shapes } from './shape.ts'

/** Two schemas to compare, below those that refer to them. */
export interface Child {
  /** Path of the member: `/items`, `/*`. */
  at: string
  old: Shape
  now: Shape
}

export interface LocalChange extends ValueChange {
  /** Path of the member that it is about, or ''. */
  at: string
}

export interface Comparison {
  changes: LocalChange[]
  children: Child[]
}

/** Where a schema is used. */
export interface Context {
  place: Place
  /** True for values that are written as text, such as a query. */
  isText: boolean
}

export interface Comparer {
  old: Shapes
  now: Shapes
  /** True if no change from `old` to `now` breaks a client. */
  isCompatible(old: Shape, now: Shape, context: Context): boolean
}

/** Compares two shapes, except for `anyOf` and `oneOf` and the children, which are compared by themselves. */
export function compareShapes(
  shapes: Comparer,
  old: Shape,
  now: Shape,
  { place, isText }: Context
): Comparison {
  const changes: LocalChange[] = compareValues(old, now, isText).map(change => ({ ...change, at: '' }))
  const children: Child[] = []
  const add = (rule: SchemaRule, what: string, at = '') => changes.push({ rule, what, at })

  if (allowsObjects(old) && allowsObjects(now)) compareMembers(shapes, old, now, place, add, children)
  if ((old.items ?? now.items) !== undefined)
    children.push({
      at: '/*',
      old: shapes.old.of(old.items ?? [true]),
      now: shapes.now.of(now.items ?? [true])
    })

  if (old.default !== now.default) {
    const what = `default from ${brief(old.default ?? 'none')} to ${brief(now.default ?? 'none')}`
    const kind = old.default === undefined ? 'added' : now.default === undefined ? 'removed' : 'changed'
    add(`default-${kind}`, what)
  }
  if (old.encoding !== now.encoding)
    add(
      'encoding-changed',
      `encoding from ${brief(old.encoding || 'none')} to ${brief(now.encoding || 'none')}`
    )
  if (old.content !== undefined && now.content !== undefined)
    children.push({ at: '', old: shapes.old.of(old.content), now: shapes.now.of(now.content) })
  else if ((old.content ?? now.content) !== undefined)
    add(
      now.content !== undefined ? 'assertion-added' : 'assertion-removed',
      `contentSchema ${verbOf(old.content, now.content)}`
    )
  if (old.discriminator !== undefined) compareDiscriminators(old.discriminator, now.discriminator, add)

  for (const [keyword, before, after] of differences(old.assertions, now.assertions))
    add(
      before === undefined
        ? 'assertion-added'
        : after === undefined
          ? 'assertion-removed'
          : 'assertion-changed',
      `${keyword} ${verbOf(before, after)}`
    )
  for (const [keyword, before, after] of differences(old.unknown, now.unknown))
    add('cannot-tell', `${brief(keyword)} ${verbOf(before, after)}`)
  // This keyword depends on all others of its schema.
  if (now.assertions.has('unevaluatedProperties') && old.assertions.has('unevaluatedProperties')) {
    const names = (shape: Shape) => [...shape.properties.keys()].sort().join()
    if (names(old) !== names(now))
      add('assertion-changed', 'unevaluatedProperties together with other members')
  }
  return { changes, children }
}

function compareMembers(
  shapes: Comparer,
  old: Shape,
  now: Shape,
  place: Place,
  add: (rule: SchemaRule, what: string, at?: string) => void,
  children: Child[]
): void {
  for (const name of new Set([
    ...old.properties.keys(),
    ...now.properties.keys(),
    ...old.required,
    ...now.required
  ])) {
    const [oldMember, newMember] = [
      memberOf(shapes.old, old, name, place),
      memberOf(shapes.now, now, name, place)
    ]
    if (oldMember === 'unsent' && newMember === 'unsent') continue
    const [before, after] = [oldMember, newMember].map(one => (typeof one === 'object' ? one : undefined))
    const wasRequired = old.required.has(name) && oldMember !== 'unsent'
    const isRequired = now.required.has(name) && newMember !== 'unsent'
    const gone = newMember === 'unsent' ? `set ${place === 'request' ? 'readOnly' : 'writeOnly'}` : 'removed'
    const at = pointerTo(name)
    const label = JSON.stringify(brief(name))

    if (before !== undefined && after !== undefined) children.push({ at, old: before, now: after })
    else if (before !== undefined) {
      if (now.isClosed && place === 'request')
        add('member-rejected', `member ${label} ${gone}, and others are rejected`, at)
      else if (now.additional !== undefined)
        children.push({ at, old: before, now: shapes.now.of(now.additional) })
      if (!(now.isClosed && place === 'request') && !isRequired)
        add(wasRequired ? 'required-member-removed' : 'member-removed', `member ${label} ${gone}`, at)
    } else if (after !== undefined && !wasRequired) {
      if (old.additional !== undefined) children.push({ at, old: shapes.old.of(old.additional), now: after })
      if (isRequired) add('required-member-added', `required member ${label} added`, at)
      else add(old.isClosed ? 'member-added-to-closed' : 'member-added', `member ${label} added`, at)
      continue
    }
    if (wasRequired === isRequired || (wasRequired && after === undefined)) continue
    add(
      isRequired ? 'member-required' : 'member-optional',
      `member ${label} from ${isRequired ? 'optional to required' : 'required to optional'}`,
      at
    )
  }
  if (old.isClosed !== now.isClosed)
    add(
      now.isClosed ? 'closed' : 'opened',
      `other members from ${now.isClosed ? 'allowed to not allowed' : 'not allowed to allowed'}`
    )
  else if ((old.additional ?? now.additional) !== undefined)
    children.push({
      at: '/*',
      old: shapes.old.of(old.additional ?? [true]),
      now: shapes.now.of(now.additional ?? [true])
    })
}

/** Returns a member that has a schema, unless it is not sent: readOnly in requests, writeOnly in responses. */
function memberOf(shapes: Shapes, shape: Shape, name: string, place: Place): Shape | 'unsent' | undefined {
  const schemas = shape.properties.get(name)
  if (schemas === undefined) return undefined
  const member = shapes.of(schemas)
  return (place === 'request' ? member.isReadOnly : member.isWriteOnly) ? 'unsent' : member
}

function compareDiscriminators(
  old: Json,
  now: Json | undefined,
  add: (rule: SchemaRule, what: string) => void
): void {
  if (old.propertyName !== now?.propertyName)
    add(
      'discriminator-changed',
      `discriminator from ${brief(String(old.propertyName))} to ${brief(String(now?.propertyName ?? 'none'))}`
    )
  const mappings = (isObject(now?.mapping) ? now.mapping : {}) as Json
  for (const [value, target] of Object.entries(isObject(old.mapping) ? old.mapping : {}))
    if (mappings[value] !== target)
      add('discriminator-changed', `mapping of ${brief(value)} ${verbOf(target, mappings[value])}`)
}

function allowsObjects({ types }: Shape): boolean {
  return types === undefined || types.has('object')
}

function differences(old: Map<string, string>, now: Map<string, string>) {
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter(keyword => old.get(keyword) !== now.get(keyword))
    .map(keyword => [keyword, old.get(keyword), now.get(keyword)] as const)
}

function verbOf(old: unknown, now: unknown): string {
  return old === undefined ? 'added' : now === undefined ? 'removed' : 'changed'
}
