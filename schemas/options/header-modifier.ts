import Type from 'typebox'
import { withDefault } from './defaults.ts'

/** What may stand in a field's value (RFC 9110, 5.5): no CR, no LF, no NUL. */
const Value = Type.String({ pattern: '^[\\t\\x20-\\x7e\\x80-\\xff]*$' })
const Values = withDefault(Type.Record(Type.String(), Value), {})

/** In this order: renamed, removed, set, added. */
export const HeaderEdit = Type.Object(
  {
    /** The old name to the new one. */
    rename: withDefault(Type.Record(Type.String(), Type.String()), {}),
    remove: withDefault(Type.Array(Type.String()), []),
    /** In the place of whatever was there. */
    set: Values,
    /** Beside what is there. */
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
    /** Of the path, what follows the scope's prefix and is not sent. */
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
          /** `Location`, `Content-Location` and the `Path` and `Domain` of cookies: the service's own, as the client sees it. */
          location: withDefault(Type.Boolean(), false)
        },
        { additionalProperties: false }
      )
    )
  },
  { additionalProperties: false }
)
export type EditOptions = Type.Static<typeof EditOptions>
