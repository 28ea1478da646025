import Type from 'typebox'
import { withDefault } from './defaults.ts'

/** Milliseconds. */
export const DrainOptions = Type.Object(
  {
    /** From the moment that `/readyz` says so until no more connections are taken: what a load balancer needs to see it. */
    delay: withDefault(Type.Integer({ minimum: 0 }), 0),
    /** That open exchanges get after it. */
    timeout: withDefault(Type.Integer({ minimum: 0 }), 10_000),
    /** That a connection without an exchange is left open for another one, which is told that it is the last. */
    idle: withDefault(Type.Integer({ minimum: 0 }), 2_000)
  },
  { additionalProperties: false }
)
export type DrainOptions = Type.Static<typeof DrainOptions>
