import type { Fault } from '../http/json/faults.ts'

/** The JSON pointers into a value of a type. `*` stands for the index of a list. */
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
 * Puts faults where `renames` say. The longest pointer that fits counts, and what follows it stays.
 * @throws for a target that has more `*` than its source.
 */
export function renamePointers(renames: Record<string, string>): (fault: Fault) => Fault {
  const rules = Object.entries(renames)
    .sort(([a], [b]) => b.split('/').length - a.split('/').length)
    .map(([from, to]) => {
      const stars = (pointer: string) => pointer.split('/').filter(segment => segment === '*').length
      if (stars(to) > stars(from)) throw new Error(`${to} has more * than ${from}, which it stands for`)
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
      // A member that is missing is named in the message too.
      return { path, message: fault.message.replace(`'${nameOf(fault.path)}'`, `'${nameOf(path)}'`) }
    }
    return fault
  }
}

function nameOf(pointer: string): string {
  return pointer.slice(pointer.lastIndexOf('/') + 1)
}
