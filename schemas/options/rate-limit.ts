import Type from 'typebox'
import { type Input, withDefault } from './defaults.ts'

export const LimitOptions = Type.Object(
  {
    /** Requests that pass within any `window`. */
    limit: Type.Integer({ minimum: 1, maximum: 1_000_000_000 }),
    /** Milliseconds, in whole seconds, because `RateLimit-Policy` has no smaller unit. */
    window: Type.Integer({ minimum: 1_000, maximum: 2_678_400_000, multipleOf: 1_000 }),
    /**
     * `sliding-window` keeps two counters for each key; under steady load, one request less than the limit passes in a
     * window. `sliding-log` keeps an entry for each request and is exact.
     */
    algorithm: withDefault(Type.Enum(['sliding-window', 'sliding-log']), 'sliding-window')
  },
  { additionalProperties: false }
)
export type LimitOptions = Type.Static<typeof LimitOptions>

const tier = {
  /** All apply. A request that one limit rejects does not count against the others. */
  limits: Type.Refine(
    Type.Array(withDefault(LimitOptions, {}), { minItems: 1, maxItems: 8 }),
    limits => new Set(limits.map(({ window }) => window)).size === limits.length,
    () => 'must not have two limits of the same window'
  ),
  /** `leased`: permits are taken from Redis in advance, see limits/lease.ts. `exact`: one call for each request. */
  counting: withDefault(Type.Enum(['leased', 'exact']), 'leased'),
  /**
   * While Redis or the supervisor is down: `open` lets all requests pass, `closed` rejects them (503), `local` counts in
   * memory with each limit divided by the number of gateways and workers.
   */
  onRedisDown: withDefault(Type.Enum(['open', 'closed', 'local']), 'local')
}

export const TierOptions = Type.Object(tier, { additionalProperties: false })
export type TierOptions = Type.Static<typeof TierOptions>

/** Options that all limits of an app have in common. */
export const CountingOptions = Type.Object(
  {
    /** Gateways that share the Redis, for tiers that count locally while it is down. */
    gateways: withDefault(Type.Integer({ minimum: 1 }), 1),
    /** Keys that are kept in memory at most. Beyond, the least recently used key is forgotten. */
    keys: withDefault(Type.Integer({ minimum: 1 }), 100_000)
  },
  { additionalProperties: false }
)
export type CountingOptions = Type.Static<typeof CountingOptions>

const Tiers = Type.Record(Type.String(), withDefault(TierOptions, {}))
const by = Type.Enum(['consumer', 'address'])
/** Without defaults: a registration that does not name them takes those of the others. */
const counting = {
  gateways: Type.Optional(Type.Integer({ minimum: 1 })),
  keys: Type.Optional(Type.Integer({ minimum: 1 }))
}

/** Defines the tiers of an app. Limits nothing. */
export const TiersOptions = Type.Object({ tiers: Tiers, ...counting }, { additionalProperties: false })

/** Limits a scope by a tier. */
export const TierLimitOptions = Type.Object(
  {
    by,
    /** Tier of addresses, and of consumers whose token names no other of the tiers. */
    tier: Type.String(),
    /** Tiers by name. Default: those of the app. */
    tiers: Type.Optional(Tiers),
    ...counting
  },
  { additionalProperties: false }
)

/** Limits a scope by limits of its own. */
export const OwnLimitOptions = Type.Object(
  {
    by,
    /** Name of the limits in headers, metrics and logs. Default: the scope's prefix and `by`. */
    name: Type.Optional(Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$' })),
    ...tier,
    ...counting
  },
  { additionalProperties: false }
)

export type TiersOptions = Input<typeof TiersOptions>
export type ScopeLimitOptions = Input<typeof TierLimitOptions> | Input<typeof OwnLimitOptions>
