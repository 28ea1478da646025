import type { Child, Comparer, Comparison, Context, LocalChange } from './compare-shapes.ts'
import type { Shape, Shapes } from './shape.ts'

/**
 * Compares `anyOf` and `oneOf`. Each alternative of the sender (the old clients of a request, the new gateway of a response)
 * needs one of the receiver that accepts it. Alternatives with the same name or type are compared in detail.
 */
export function compareAlternatives(
  comparer: Comparer,
  old: Shape,
  now: Shape,
  context: Context
): Comparison {
  const isBoth = old.groups.length > 0 && now.groups.length > 0
  const olds = alternativesOf(comparer.old, old, isBoth)
  const news = alternativesOf(comparer.now, now, isBoth)
  if (olds === undefined || news === undefined)
    return {
      changes: [
        { rule: 'cannot-tell', what: 'more combinations of anyOf and oneOf than can be compared', at: '' }
      ],
      children: []
    }

  const changes: LocalChange[] = []
  const children: Child[] = []
  const unmatched = new Set(news)
  const isRequest = context.place === 'request'
  const changed = olds.filter(alternative => {
    const equal = [...unmatched].find(one => one.text() === alternative.text())
    return equal === undefined || !unmatched.delete(equal)
  })
  const rest = [...unmatched]
  const open = changed.filter(alternative => {
    const match = findNamesake(alternative, changed, rest)
    if (match === undefined || (!isBoth && !comparer.isCompatible(alternative, match, context))) return true
    unmatched.delete(match)
    children.push({ at: '', old: alternative, now: match })
    return false
  })
  const accepts = (before: Shape, after: Shape) => comparer.isCompatible(before, after, context)
  for (const alternative of open) {
    const isKept = isRequest && news.some(one => accepts(alternative, one))
    if (!isKept)
      changes.push({
        rule: 'alternative-removed',
        what: `alternative ${nameOf(alternative)} removed`,
        at: ''
      })
  }
  for (const alternative of unmatched) {
    const isKnown = !isRequest && olds.some(one => accepts(one, alternative))
    if (!isKnown)
      changes.push({ rule: 'alternative-added', what: `alternative ${nameOf(alternative)} added`, at: '' })
  }
  return { changes, children }
}

const MAX_ALTERNATIVES = 100

/** Returns the alternatives of a shape. With `isAlone` false they include what holds for all of them. */
function alternativesOf(shapes: Shapes, shape: Shape, isAlone: boolean): Shape[] | undefined {
  let combinations: unknown[][] = [isAlone ? [] : shape.parts()]
  for (const group of shape.groups) {
    combinations = combinations.flatMap(schemas => group.map(member => [...schemas, member]))
    if (combinations.length > MAX_ALTERNATIVES) return undefined
  }
  return combinations.map(schemas => shapes.of(schemas.length === 0 ? [true] : schemas))
}

/** Returns the alternative of the other document with the same reference, tag or, if it is the only one, type. */
function findNamesake(alternative: Shape, olds: Shape[], news: Shape[]): Shape | undefined {
  for (const labelOf of [nameLabel, tagLabel, typeLabel]) {
    const label = labelOf(alternative)
    if (label === undefined) continue
    const found = news.filter(one => labelOf(one) === label)
    if (found.length === 1 && olds.filter(one => labelOf(one) === label).length === 1) return found[0]
  }
  return undefined
}

const nameLabel = ({ name }: Shape) => name
const typeLabel = ({ types }: Shape) => types && [...types].sort().join()

/** Required members with a single value, which tell the alternatives apart. */
function tagLabel({ required, properties }: Shape): string | undefined {
  const tags = [...required].flatMap(name => {
    const [schema] = properties.get(name) ?? []
    const { const: constant, enum: values } = (schema ?? {}) as { const?: unknown; enum?: unknown[] }
    const value = constant ?? (values?.length === 1 ? values[0] : undefined)
    return typeof value === 'string' ? [`${name}=${value}`] : []
  })
  return tags.length > 0 ? tags.sort().join() : undefined
}

function nameOf(shape: Shape): string {
  return JSON.stringify(nameLabel(shape) ?? tagLabel(shape) ?? typeLabel(shape) ?? shape.pointer)
}
