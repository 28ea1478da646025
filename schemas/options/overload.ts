import Type from 'typebox'
import { withDefault } from './defaults.ts'

/** Scopes of low priority are rejected first, those of high priority last. */
export const Priority = Type.Enum(['low', 'normal', 'high'])
export type Priority = Type.Static<typeof Priority>

const members = {
  /** Event loop delay, in ms, from which scopes of low priority are rejected. */
  maxEventLoopDelay: withDefault(Type.Integer({ minimum: 1 }), 100)
}

export const OverloadOptions = Type.Object(members, { additionalProperties: false })
export type OverloadOptions = Type.Static<typeof OverloadOptions>

export const OverloadPluginOptions = Type.Object(
  { ...members, priority: withDefault(Priority, 'normal') },
  { additionalProperties: false }
)
