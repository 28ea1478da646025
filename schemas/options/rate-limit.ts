import Type from 'typebox'
import { withDefault } from './defaults.ts'
import { RedisUrl } from './url.ts'

export const LimitOptions = Type.Object(
  {
    /** Requests let through within any `window`. */
    limit: Type.Integer({ minimum: 1, maximum: 1_000_000_000 }),
    /** Milliseconds, in whole seconds: `RateLimit-Policy` cannot say anything else. */
    window: Type.Integer({ minimum: 1_000, maximum: 2_678_400_000, multipleOf: 1_000 }),
    /**
     * `sliding-window`: two counters a key, for high limits; under steady load it lets through one less than the limit a
     * window. `sliding-log`: exact always, for an entry a request.
     */
    algorithm: withDefault(Type.Enum(['sliding-window', 'sliding-log']), 'sliding-window')
  },
  { additionalProperties: false }
)
export type LimitOptions = Type.Static<typeof LimitOptions>

export const TierOptions = Type.Object(
  {
    /** All of them apply; a request that one of them refuses uses up none of the others. One a window at most. */
    limits: Type.Refine(
      Type.Array(withDefault(LimitOptions, {}), { minItems: 1, maxItems: 8 }),
      limits => new Set(limits.map(({ window }) => window)).size === limits.length,
      () => 'must not have two limits of the same window'
    ),
    /**
     * In Redis, a request at a time (`exact`), or by leases of at most a hundredth of what is left (`leased`, but for
     * a sliding log): see rate-limit/lease.ts.
     */
    counting: withDefault(Type.Enum(['leased', 'exact']), 'leased'),
    /**
     * While Redis is away (or, of workers without it, their supervisor): `open` lets everything through, `closed` nothing
     * (503), `local` counts in memory, with each limit divided by the number of gateways and workers.
     */
    redisAway: withDefault(Type.Enum(['open', 'closed', 'local']), 'local')
  },
  { additionalProperties: false }
)
export type TierOptions = Type.Static<typeof TierOptions>

export const RateLimitOptions = Type.Object(
  {
    /** Gateways that share the Redis, for tiers that count locally while it is away. */
    gateways: withDefault(Type.Integer({ minimum: 1 }), 1),
    /** Keys kept in memory at most, where limits are counted there. Beyond it the least recently seen is forgotten. */
    keys: withDefault(Type.Integer({ minimum: 1 }), 100_000)
  },
  { additionalProperties: false }
)
export type RateLimitOptions = Type.Static<typeof RateLimitOptions>

export const RedisOptions = Type.Object(
  {
    /** `redis://user:password@host:port/database`; `rediss://` for TLS. */
    url: RedisUrl(),
    /** Milliseconds that a request waits for Redis. */
    timeout: withDefault(Type.Integer({ minimum: 1, maximum: 60_000 }), 50)
  },
  { additionalProperties: false }
)
export type RedisOptions = Type.Static<typeof RedisOptions>
