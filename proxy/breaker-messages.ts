import Type, { type Static } from 'typebox'

/** Messages between the breakers of several workers, by way of the supervisor. Times are of the machine's monotonic clock. */

/** Characters of an endpoint's URL. */
export const MAX_ENDPOINT = 4_096
const Key = Type.String({ maxLength: 43 })
const Count = Type.Integer({ minimum: 0 })

/** A breaker opened at `openedAt`, or closed (0). All workers get changes in the same order. */
export const BreakerChange = Type.Object({
  type: Type.Literal('breaker'),
  key: Key,
  openedAt: Type.Number({ minimum: 0 }),
  /** Time of the change. */
  at: Type.Number(),
  /** True for a change that the receiver has sent itself. */
  isOwn: Type.Optional(Type.Boolean())
})
export type BreakerChange = Static<typeof BreakerChange>

/** Outcomes of calls that ended while the breaker was closed. */
export const BreakerOutcomes = Type.Object({
  type: Type.Literal('outcomes'),
  key: Key,
  /** Time at which the first of them ended. */
  since: Type.Number(),
  /** Time of each failure, and its endpoint if there are several, else ''. */
  failures: Type.Array(Type.Tuple([Type.Number(), Type.String({ maxLength: MAX_ENDPOINT })]), {
    maxItems: 1_024
  }),
  /** Time of the last success; 0 for none. */
  successAt: Type.Number(),
  counts: Type.Object({ calls: Count, successes: Count, failures: Count, slow: Count })
})
export type BreakerOutcomes = Static<typeof BreakerOutcomes>
export type HeardOutcomes = Omit<BreakerOutcomes, 'type' | 'key'>

/** Changes of the numbers of half-open requests since the breaker opened at `openedAt`. */
export const BreakerHalfOpen = Type.Object({
  type: Type.Literal('half-open'),
  key: Key,
  openedAt: Type.Number(),
  started: Type.Integer({ minimum: -1, maximum: 1 }),
  passed: Type.Integer({ minimum: 0, maximum: 1 })
})
export type BreakerHalfOpen = Static<typeof BreakerHalfOpen>
export type HalfOpenChange = Omit<BreakerHalfOpen, 'type' | 'key'>

/** Sent by a worker that starts, to learn the state of all breakers. */
export interface BreakersQuery {
  type: 'breakers'
}

export type BreakerMessage = BreakerChange | BreakerOutcomes | BreakerHalfOpen
