import { isObject } from '../../schemas/options/faults.ts'
import { canonical } from '../canonical.ts'
import type { SchemaChange } from './compare-schemas.ts'
import { type Level, OPERATION_RULES, type OperationRule, type Place, SCHEMA_RULES } from './rules.ts'

/** A difference of two documents, as clients meet it. */
export interface Change {
  rule: string
  level: Level
  method: string
  path: string
  /** Part of the operation: `request body /items/*`, with `*` for all items of an array. */
  part: string
  /** JSON pointer in the new document; of what was removed, in the old one. */
  pointer: string
  /** Says what changed. */
  change: string
  /** Says why it breaks clients. Missing for compatible changes. */
  why?: string
}

/** Receives the changes of one operation. */
export interface Report {
  add(rule: OperationRule, part: string, pointer: string, change: string): void
  addSchemas(place: Place, part: string, changes: SchemaChange[]): void
}

export function createReport(changes: Change[], method: string, path: string): Report {
  return {
    add(rule, part, pointer, change) {
      changes.push({
        rule,
        level: OPERATION_RULES[rule].level,
        ...{ method, path, part, pointer, change },
        ...whyOf(OPERATION_RULES[rule])
      })
    },
    addSchemas(place, part, found) {
      for (const { rule, what, at, pointer } of found)
        changes.push({
          rule: `${place}-${rule}`,
          level: SCHEMA_RULES[rule][place].level,
          ...{ method, path, part: at === '' ? part : `${part} ${at}`, pointer, change: what },
          ...whyOf(SCHEMA_RULES[rule][place])
        })
    }
  }
}

function whyOf({ why }: { why?: string }): { why?: string } {
  return why === undefined ? {} : { why }
}

/** Reports members of a part that is not compared further, such as `callbacks`. New ones are fine. */
export function reportChanged(
  old: unknown,
  now: unknown,
  part: string,
  pointer: string,
  report: Report
): void {
  for (const [name, value] of Object.entries(isObject(old) ? old : {})) {
    const after = isObject(now) && Object.hasOwn(now, name) ? now[name] : undefined
    if (canonical(value) === canonical(after)) continue
    report.add('cannot-tell', `${part} ${name}`, pointer, after === undefined ? 'removed' : 'changed')
  }
}
