import { DocumentError, type ParsedDocument } from '../parsed-document.ts'
import { compareAlternatives } from './compare-alternatives.ts'
import { type Child, type Comparer, type Context, compareShapes, type LocalChange } from './compare-shapes.ts'
import { SCHEMA_RULES, type SchemaRule } from './rules.ts'
import { type Shape, Shapes } from './shape.ts'

/** A change of a schema. */
export interface SchemaChange {
  rule: SchemaRule
  what: string
  /** Path of the value, with `*` for all items of an array. */
  at: string
  /** JSON pointer of the schema: in the new document, or in the old one if it was removed. */
  pointer: string
}

/** A pair of shapes with what differs between them. References make these a graph, which may have circles. */
export interface Pair {
  key: string
  changes: LocalChange[]
  children: Child[]
  pointer: string
}

const MAX_STEPS = 2_000_000
const MAX_CHANGES = 10_000

/** Compares the schemas of two documents. Each pair of schemas is compared once. */
export class SchemaComparer implements Comparer {
  readonly old: Shapes
  readonly now: Shapes
  readonly #pairs = new Map<string, Pair>()
  readonly #results = new Map<string, SchemaChange[]>()
  readonly #contained = new Map<string, boolean>()
  #steps = 0

  constructor(old: ParsedDocument, now: ParsedDocument) {
    this.old = new Shapes(old)
    this.now = new Shapes(now)
  }

  /**
   * Returns all changes from one schema to another and of the schemas below, the nearest first.
   * @throws DocumentError if the documents are too large to compare
   */
  compare(old: unknown, now: unknown, context: Context): SchemaChange[] {
    const root = this.#pairOf(this.old.of([old]), this.now.of([now]), context)
    const known = this.#results.get(root.key)
    if (known !== undefined) return known
    const changes: SchemaChange[] = []
    this.#walk(root, context, (change, at, pair) => {
      if (changes.length >= MAX_CHANGES) throw new DocumentError('the documents differ too much to compare')
      changes.push({ rule: change.rule, what: change.what, at: at + change.at, pointer: pair.pointer })
      return true
    })
    this.#results.set(root.key, changes)
    return changes
  }

  /** True if no change from `old` to `now` breaks a client. */
  isCompatible(old: Shape, now: Shape, context: Context): boolean {
    const key = keyOf(old, now, context)
    const known = this.#contained.get(key)
    if (known !== undefined) return known
    // A circle leads back here: assume that it holds, which is right unless a change is found.
    this.#contained.set(key, true)
    let isCompatible = true
    this.#walk(this.#pairOf(old, now, context), context, ({ rule }) => {
      const place = context.place === 'problem' ? 'response' : context.place
      isCompatible = SCHEMA_RULES[rule][place].level === 'compatible'
      return isCompatible
    })
    this.#contained.set(key, isCompatible)
    return isCompatible
  }

  /** Visits each pair below `root` once, breadth first, until `visit` returns false. */
  #walk(root: Pair, context: Context, visit: (change: LocalChange, at: string, pair: Pair) => boolean): void {
    const seen = new Set([root.key])
    const queue = [{ pair: root, at: '' }]
    for (const { pair, at } of queue) {
      for (const change of pair.changes) if (!visit(change, at, pair)) return
      for (const child of pair.children) {
        const next = this.#pairOf(child.old, child.now, context)
        this.#step()
        if (seen.has(next.key)) continue
        seen.add(next.key)
        queue.push({ pair: next, at: at + child.at })
      }
    }
  }

  #pairOf(old: Shape, now: Shape, context: Context): Pair {
    const key = keyOf(old, now, context)
    let pair = this.#pairs.get(key)
    if (pair === undefined) {
      this.#step()
      pair = { key, changes: [], children: [], pointer: now.pointer || old.pointer }
      // Known before it is complete, since alternatives may lead back here.
      this.#pairs.set(key, pair)
      const isGrouped = old.groups.length > 0
      if (isGrouped === now.groups.length > 0) {
        const { changes, children } = compareShapes(this, old, now, context)
        pair.changes.push(...changes)
        pair.children.push(...children)
      }
      if (isGrouped || now.groups.length > 0) {
        const { changes, children } = compareAlternatives(this, old, now, context)
        pair.changes.push(...changes)
        pair.children.push(...children)
      }
    }
    return pair
  }

  #step(): void {
    if (++this.#steps > MAX_STEPS) throw new DocumentError('the documents are too large to compare')
  }
}

function keyOf(old: Shape, now: Shape, { place, isText }: Context): string {
  return `${old.id}:${now.id}:${place}:${isText}`
}
