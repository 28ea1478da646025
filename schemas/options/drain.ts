import Type from 'typebox'
import { withDefault } from './defaults.ts'

const members = {
  /** ms that open exchanges get to finish. */
  timeout: withDefault(Type.Integer({ minimum: 0 }), 10_000),
  /** ms that an idle connection stays open for one more request, whose response carries `Connection: close`. */
  idle: withDefault(Type.Integer({ minimum: 0 }), 2_000)
}

export const DrainOptions = Type.Object(
  {
    /** ms to keep accepting connections after `/readyz` turns 503, so that load balancers can react. */
    delay: withDefault(Type.Integer({ minimum: 0 }), 0),
    ...members
  },
  { additionalProperties: false }
)
export type DrainOptions = Type.Static<typeof DrainOptions>

export const DrainPluginOptions = Type.Object(members, { additionalProperties: false })
