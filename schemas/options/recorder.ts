import Type from 'typebox'
import { withDefault } from './defaults.ts'

export const RecorderOptions = Type.Object(
  {
    /** Exchanges that are kept; 0: none, and there are no captures either. */
    size: withDefault(Type.Integer({ minimum: 0, maximum: 100_000 }), 1_000),
    /** Failed exchanges, which have a ring of their own. */
    failed: withDefault(Type.Integer({ minimum: 1, maximum: 100_000 }), 200),
    /** Bytes of each body. */
    body: withDefault(Type.Integer({ minimum: 0, maximum: 65_536 }), 4_096),
    /** Bytes of heads and bodies that a ring may hold, whatever its size. */
    memory: withDefault(Type.Integer({ minimum: 1_048_576 }), 16_777_216),
    /** Bytes that all captures together may hold. */
    captures: withDefault(Type.Integer({ minimum: 1_048_576 }), 67_108_864)
  },
  { additionalProperties: false }
)
export type RecorderOptions = Type.Static<typeof RecorderOptions>
