import Type from 'typebox'
import { withDefault } from './defaults.ts'

export const CompressOptions = Type.Object(
  {
    /** Bytes from which responses are compressed. */
    threshold: withDefault(Type.Integer({ minimum: 0 }), 1_024),
    /** In order of preference. */
    encodings: withDefault(Type.Array(Type.Enum(['br', 'gzip']), { minItems: 1 }), ['br', 'gzip'])
  },
  { additionalProperties: false }
)
export type CompressOptions = Type.Static<typeof CompressOptions>
