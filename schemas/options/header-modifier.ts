import Type from 'typebox'
import { withDefault } from './defaults.ts'

/** A field value (RFC 9110, 5.5): no CR, LF or NUL. */
const Value = Type.String({ pattern: '^[\\t\\x20-\\x7e\\x80-\\xff]*$' })
const Values = withDefault(Type.Record(Type.String(), Value), {})

/** Applied in this order: rename, remove, set, add. */
export const HeaderEdit = Type.Object(
  {
    /** New names by old names. */
    rename: withDefault(Type.Record(Type.String(), Type.String()), {}),
    remove: withDefault(Type.Array(Type.String()), []),
    /** Replaces existing values. */
    set: Values,
    /** Added to existing values. */
    add: Values
  },
  { additionalProperties: false }
)
export type HeaderEdit = Type.Static<typeof HeaderEdit>

export const QueryEdit = Type.Object(
  {
    rename: withDefault(Type.Record(Type.String(), Type.String()), {}),
    remove: withDefault(Type.Array(Type.String()), []),
    set: withDefault(Type.Record(Type.String(), Type.String()), {}),
    add: withDefault(Type.Record(Type.String(), Type.String()), {})
  },
  { additionalProperties: false }
)
export type QueryEdit = Type.Static<typeof QueryEdit>

export const EditOptions = Type.Object(
  {
    /** Path segments after the scope's prefix that are not sent. */
    strip: Type.Optional(Type.String({ pattern: '^(/[\\w.~-]+)+$' })),
    request: Type.Optional(
      Type.Object(
        { headers: Type.Optional(HeaderEdit), query: Type.Optional(QueryEdit) },
        { additionalProperties: false }
      )
    ),
    response: Type.Optional(
      Type.Object(
        {
          headers: Type.Optional(HeaderEdit),
          /** Rewrites `Location`, `Content-Location` and cookies' `Path` and `Domain` from the service's URLs to the client's. */
          location: withDefault(Type.Boolean(), false)
        },
        { additionalProperties: false }
      )
    )
  },
  { additionalProperties: false }
)
export type EditOptions = Type.Static<typeof EditOptions>
