import type { Fault } from '../http/json/faults.ts'

/** JSON pointers into a value of a type. `*` stands for any index of a list. */
export type Pointers<Value, At extends string> = 0 extends 1 & Value
  ? never
  : Value extends readonly (infer Item)[]
    ? `${At}/*` | Pointers<Item, `${At}/*`>
    : Value extends object
      ? {
          [Name in keyof Value & string]-?:
            | `${At}/${Name}`
            | Pointers<NonNullable<Value[Name]>, `${At}/${Name}`>
        }[keyof Value & string]
      : never

/**
 * Returns a function that renames the path of a fault. The longest pointer that fits counts. What follows it stays.
 * @param renames new pointers by old ones
 * @throws if a new pointer has more `*` than the old one
 */
export function renamePointers(renames: Record<string, string>): (fault: Fault) => Fault {
  const rules = Object.entries(renames)
    .sort(([a], [b]) => b.split('/').length - a.split('/').length)
    .map(([from, to]) => {
      const stars = (pointer: string) => pointer.split('/').filter(segment => segment === '*').length
      if (stars(to) > stars(from)) throw new Error(`faults: ${to} must not have more * than ${from}`)
      const pattern = from
        .split('/')
        .map(segment => (segment === '*' ? '([^/]+)' : segment.replace(/[^\w-]/g, '\\$&')))
        .join('/')
      return { pattern: new RegExp(`^${pattern}(?=/|$)`), to }
    })

  return fault => {
    for (const { pattern, to } of rules) {
      const match = pattern.exec(fault.path)
      if (match === null) continue
      let star = 0
      const path = to.replace(/\*/g, () => match[++star] as string) + fault.path.slice(match[0].length)
      // ajv's message for a missing member names it.
      return { path, message: fault.message.replace(`'${nameOf(fault.path)}'`, `'${nameOf(path)}'`) }
    }
    return fault
  }
}

function nameOf(pointer: string): string {
  return pointer.slice(pointer.lastIndexOf('/') + 1)
}
