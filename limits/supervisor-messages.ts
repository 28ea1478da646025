import Type, { type Static } from 'typebox'
import { LimitOptions } from '../schemas/options/rate-limit.ts'
import { MAX_BATCH } from './limiter.ts'

/** Messages between the limiter of a worker and the counters of its supervisor. */

/** Characters of a key. Longer keys are hashed. */
export const MAX_KEY = 128

/** A worker's request: for each check its key, the index of its tier and its cost. */
export const Checks = Type.Object({
  type: Type.Literal('checks'),
  number: Type.Integer(),
  tiers: Type.Array(
    Type.Object({
      name: Type.String({ maxLength: 64 }),
      limits: Type.Array(LimitOptions, { minItems: 1, maxItems: 8 })
    }),
    { maxItems: MAX_BATCH }
  ),
  checks: Type.Array(
    Type.Tuple([
      Type.String({ maxLength: MAX_KEY }),
      Type.Integer({ minimum: 0 }),
      Type.Integer({ minimum: 1, maximum: 1_000_000_000 })
    ]),
    { maxItems: MAX_BATCH }
  )
})
export type Checks = Static<typeof Checks>

/** The response: allowed (1 or 0), remaining and reset (ms) of each limit of each check in turn. */
export interface Decisions {
  type: 'decisions'
  number: number
  states: number[]
}
