import Type, { type TSchema } from 'typebox'
import { withDefault } from './defaults.ts'
import { didYouMean } from './did-you-mean.ts'
import { type ConfigFault, isObject } from './faults.ts'

/** Names become hosts, Redis keys and metric labels. */
export const NAME = /^[a-z][a-z0-9-]{0,62}$/

/** Schema of members by name. TypeBox writes defaults only into members that have one themselves. */
export function Named<Type extends TSchema>(type: Type) {
  return Type.Record(Type.String(), withDefault(type, {}))
}

/** Returns a fault for each name of `members` that is not valid. `path`: JSON pointer of `members`. */
export function nameFaults(path: string, members: unknown): ConfigFault[] {
  return Object.keys(isObject(members) ? members : {})
    .filter(name => !NAME.test(name))
    .map(name => ({ path: `${path}/${name}`, message: 'is not a name: a-z, then a-z, 0-9 or -' }))
}

/** Returns `no upstream is named 'order'; there are: orders, users; did you mean orders?`. */
export function unknownName(kind: string, name: string, known: readonly string[]): string {
  const suggestion = known.length > 1 ? didYouMean(name, known) : ''
  return `no ${kind} is named '${name}'; there are: ${known.join(', ') || 'none'}${suggestion}`
}

/** Returns `upstream is missing; there are: orders, users`. */
export function missingName(kind: string, known: readonly string[]): string {
  return `${kind} is missing; there are: ${known.join(', ') || 'none'}`
}
