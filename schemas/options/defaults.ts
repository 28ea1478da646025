import type { Static, TArray, TObject, TOptional, TRecord, TSchema, TUnion } from 'typebox'

/** Schema of a member that may be omitted. */
export interface HasDefault {
  default: unknown
}

/** Returns a copy of the schema with a default. `Input` makes members with a default optional. */
export function withDefault<Type extends TSchema>(type: Type, value: unknown): Type & HasDefault {
  // A copy with the hidden members of TypeBox, since `type` may be used elsewhere without a default.
  const descriptors = { ...Object.getOwnPropertyDescriptors(type), default: { value, enumerable: true } }
  return Object.create(Object.getPrototypeOf(type), descriptors)
}

/** Type of options as a user writes them: like `Static`, but members with a default are optional, at any depth. */
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
        : Schema extends TUnion<infer Variants>
          ? Input<Variants[number]>
          : Schema extends TSchema
            ? Static<Schema>
            : never

type Mandatory<Members> = {
  [Name in keyof Members]: Members[Name] extends HasDefault | TOptional<TSchema> ? never : Name
}[keyof Members]

type Flat<Type> = { [Name in keyof Type]: Type[Name] }
