import Type from 'typebox'
import { withDefault } from './defaults.ts'

export const OverloadOptions = Type.Object(
  {
    /** Milliseconds by which the event loop may be late before scopes of low priority are refused. */
    maxEventLoopDelay: withDefault(Type.Integer({ minimum: 1 }), 100)
  },
  { additionalProperties: false }
)
export type OverloadOptions = Type.Static<typeof OverloadOptions>

/** Which scopes are refused first. */
export const Priority = Type.Enum(['low', 'normal', 'high'])
export type Priority = Type.Static<typeof Priority>
