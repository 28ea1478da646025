import type { FastifyInstance } from 'fastify'
import { Value } from 'typebox/value'
import { appState } from '../app-state.ts'
import { CountingOptions, type TierOptions } from '../schemas/options/rate-limit.ts'
import { createLeasedLimiter, type LeaseCounts } from './lease.ts'
import { createTier, divideLimits, type Limiter, type Tier } from './limiter.ts'
import { createMemoryLimiter } from './memory-limiter.ts'
import { NearLimits } from './near-limits.ts'
import { createRedisLimiter } from './redis-limiter.ts'
import type { RemoteState } from './remote-limiter.ts'
import { createStandby, type Standby } from './standby.ts'
import { createSupervisorLimiter } from './supervisor-limiter.ts'

/** Returns the limits of an app, created for its first scope that has some. */
export function limitsOf(app: FastifyInstance): AppLimits {
  return appState(app, 'limits', () => new AppLimits())
}

/** The tiers of an app, and the one place where its scopes count. */
export class AppLimits {
  readonly #tiers = new Map<string, { tier: Tier; options: TierOptions; from: string | undefined }>()
  readonly #defined = new Map<string, Tier>()
  readonly #counting: Partial<CountingOptions> = {}
  #limiter: Limiter | undefined
  #standby: Standby | undefined
  #leases: LeaseCounts | undefined
  readonly near = new NearLimits()
  #startedAt = Date.now()
  #kind: 'redis' | 'supervisor' | 'memory' = 'memory'
  #state: (() => RemoteState) | undefined
  #close: (() => void) | undefined

  /**
   * Returns the tier of that name; scopes that name the same one share it.
   * @param from the prefix of the scope, for a name that is derived from it
   * @throws if the tier is known with other options, or its name comes from another prefix
   */
  addTier(name: string, options: TierOptions, from?: string): Tier {
    const known = this.#tiers.get(name)
    if (known === undefined) {
      const tier = createTier(name, options)
      this.#tiers.set(name, { tier, options, from })
      return tier
    }
    if (known.from !== from || toText(known.options) !== toText(options))
      throw new Error(
        `rateLimit: another scope has other limits named '${name}'; give one of them another name`
      )
    return known.tier
  }

  /** Defines a tier that scopes may name without its limits. */
  defineTier(name: string, options: TierOptions): void {
    this.#defined.set(name, this.addTier(name, options))
  }

  /** Tiers that scopes may name without their limits. */
  get defined(): ReadonlyMap<string, Tier> {
    return this.#defined
  }

  /** @throws if another scope counts with other options, because an app counts all its limits in one place */
  count({ gateways, keys }: { gateways?: number; keys?: number }): void {
    for (const [name, value] of Object.entries({ gateways, keys })) {
      if (value === undefined) continue
      const known = this.#counting[name as keyof CountingOptions]
      if (known !== undefined && known !== value)
        throw new Error(
          `rateLimit: ${name} is ${value} here and ${known} elsewhere; it must be the same in the whole app`
        )
      this.#counting[name as keyof CountingOptions] = value
    }
  }

  /** Chooses where to count. Call it when the app is ready: only then are its tiers, Redis and supervisor known. */
  start({ redis, redisTimeout, redisError, log, supervisor, overrides }: FastifyInstance): void {
    if (this.#limiter !== undefined) return
    const { gateways, keys } = Value.Default(CountingOptions, { ...this.#counting }) as CountingOptions
    const now = overrides?.now
    const client = redisTimeout === undefined ? undefined : redis
    const sharers = (client ? gateways : 1) * (supervisor?.workers ?? 1)
    const shares = new Map<Tier, Tier>()
    for (const { tier, options } of this.#tiers.values())
      shares.set(tier, {
        ...createTier(tier.name, divideLimits(options, sharers)),
        decisions: tier.decisions
      })
    const widest = Math.max(1, ...this.tiers.map(({ limits }) => limits.length))
    const memory = createMemoryLimiter(keys, now, widest)
    const standby = createStandby({ memory, shares, sharers, keys, ...(now && { now }) })
    const remote = client
      ? createRedisLimiter(client, redisTimeout as number, log, standby, redisError)
      : supervisor && createSupervisorLimiter(supervisor.channel, log, supervisor.timeout, standby)
    this.#kind = client ? 'redis' : supervisor ? 'supervisor' : 'memory'
    this.#state = remote?.state
    this.#standby = standby
    this.#limiter = overrides?.createLimiter?.(memory) ?? (remote ? this.#lease(remote) : memory)
    this.#close = () => remote?.close()
  }

  #lease(remote: Limiter): Limiter {
    this.#leases = { fromLease: 0, storeCalls: 0 }
    return createLeasedLimiter(remote, undefined, this.#leases)
  }

  close(): void {
    this.#close?.()
  }

  get tiers(): Tier[] {
    return [...this.#tiers.values()].map(({ tier }) => tier)
  }

  /** Undefined before `start`. */
  get limiter(): Limiter | undefined {
    return this.#limiter
  }

  /** Undefined before `start`. */
  get standby(): Standby | undefined {
    return this.#standby
  }

  /** Undefined in memory, where nothing is leased. */
  get leases(): LeaseCounts | undefined {
    return this.#leases
  }

  get kind() {
    return this.#kind
  }

  state(): RemoteState {
    return this.#state?.() ?? { isDown: false, since: this.#startedAt, reason: undefined }
  }
}

/** Members in one order, however they were written. */
function toText({ limits, counting, onRedisDown }: TierOptions): string {
  const texts = limits.map(({ limit, window, algorithm }) => [limit, window, algorithm])
  return JSON.stringify([texts, counting, onRedisDown])
}
