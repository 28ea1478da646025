import type { Static, TArray, TObject, TOptional, TRecord, TSchema } from 'typebox'

/** Marks, for the compiler too, that a member may be left out and what it then is. `Input` is what a user writes. */
export interface HasDefault {
  default: unknown
}

export function withDefault<Type extends TSchema>(type: Type, value: unknown): Type & HasDefault {
  // A copy with the hidden members of TypeBox, since `type` may be used elsewhere without a default.
  const descriptors = { ...Object.getOwnPropertyDescriptors(type), default: { value, enumerable: true } }
  return Object.create(Object.getPrototypeOf(type), descriptors)
}

/** What may be written where `Static` is what is read: members with a default can be left out, at any depth. */
export type Input<Schema> =
  Schema extends TObject<infer Members>
    ? Flat<
        { -readonly [Name in Mandatory<Members>]: Input<Members[Name]> } & {
          -readonly [Name in Exclude<keyof Members, Mandatory<Members>>]?: Input<Members[Name]>
        }
      >
    : Schema extends TArray<infer Item>
      ? Input<Item>[]
      : Schema extends TRecord<string, infer Value>
        ? Record<string, Input<Value>>
        : Schema extends TSchema
          ? Static<Schema>
          : never

type Mandatory<Members> = {
  [Name in keyof Members]: Members[Name] extends HasDefault | TOptional<TSchema> ? never : Name
}[keyof Members]

type Flat<Type> = { [Name in keyof Type]: Type[Name] }
