import createError from '@fastify/error'
import fastifyRateLimit, { normalizeIP } from '@fastify/rate-limit'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { LruMap } from 'toad-cache'
import { consumerOf } from '../auth/consumer.ts'
import { hasDefaultTier, type User, withTier } from '../auth/user.ts'
import { clientAddress, NO_ADDRESS } from '../http/client-address.ts'
import type { ProblemError } from '../http/problem.ts'
import { createLeasedLimiter } from '../limits/lease.ts'
import { createTier, type Decision, isAllowed, type Limiter, shareOf, type Tier } from '../limits/limiter.ts'
import { createMemoryLimiter } from '../limits/memory-limiter.ts'
import { type Admission, createStore } from '../limits/rate-limit-store.ts'
import { createRedisLimiter } from '../limits/redis-limiter.ts'
import type { RemoteState } from '../limits/remote-limiter.ts'
import { createStandby } from '../limits/standby.ts'
import { createSharedLimiter } from '../limits/supervisor-limiter.ts'
import { describeRoutes } from '../observe/route-metadata.ts'
import type { RateLimitOptions, TierOptions } from '../schemas/options/rate-limit.ts'

/**
 * Rate limits by tier. `tiers` makes the tiers of the config known, and registers @fastify/rate-limit, once, with a
 * store that slides its windows and checks all limits of a request in one step; `rateLimit` limits a scope.
 *
 * ```ts
 * await app.register(rateLimit, { by: 'consumer', tier: 'free' })
 * ```
 *
 * A consumer is the verified subject of an issuer, counted over all scopes in the tier of its token, or in `tier` if
 * the token names none or an unknown one. An address is counted in `tier` (IPv6 by /64). Responses carry
 * `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10). Errors: 429 with `Retry-After`; 503 if
 * Redis (or the supervisor of several workers) is unavailable and the tier `closed`.
 */
export interface RateLimitPatternOptions {
  by: 'consumer' | 'address'
  /** A name from the config's `tiers`. */
  tier: string
}

export interface TiersOptions extends RateLimitOptions {
  tiers: Record<string, TierOptions>
}

const QuotaExceeded = createError('SLUICE_QUOTA_EXCEEDED', 'Too many requests', 429, Error, false)
const LimitsUnavailable = createError(
  'SLUICE_LIMITS_UNAVAILABLE',
  'Limits cannot be checked at the moment',
  503,
  Error,
  false
)

/** Where limits are counted, for operators. */
export interface LimitStore {
  kind: 'redis' | 'supervisor' | 'memory'
  state(): RemoteState
}

type Admit = (request: FastifyRequest) => Promise<{ key: Admission; isExceeded: boolean }>

export const tiers = fp(
  async function tiers(fastify: FastifyInstance, { tiers: options, gateways, keys }: TiersOptions) {
    const { redis, log, supervisor, overrides } = fastify
    const now = overrides?.now
    const sharers = (redis ? gateways : 1) * (supervisor?.workers ?? 1)
    const byName = new Map<string, Tier>()
    const shares = new Map<Tier, Tier>()
    for (const [name, tierOptions] of Object.entries(options)) {
      const tier = createTier(name, tierOptions)
      byName.set(name, tier)
      shares.set(tier, { ...createTier(name, shareOf(tierOptions, sharers)), decisions: tier.decisions })
    }
    const widest = Math.max(1, ...[...byName.values()].map(({ limits }) => limits.length))
    const memory = createMemoryLimiter(keys, now, widest)
    const standby = createStandby({ memory, shares, sharers, keys, ...(now && { now }) })
    const remote = redis
      ? createRedisLimiter(redis, fastify.redisTimeout, log, standby, fastify.redisError)
      : supervisor && createSharedLimiter(supervisor.channel, log, supervisor.timeout, standby)
    fastify.addHook('onClose', async () => remote?.close())

    const limiter = overrides?.createLimiter?.(memory) ?? (remote ? createLeasedLimiter(remote) : memory)

    fastify.decorate('tier', name => byName.get(name))
    fastify.decorate('tiers', [...byName.values()])
    fastify.decorate('limiter', limiter)
    const startedAt = Date.now()
    fastify.decorate('limitStore', {
      kind: redis ? 'redis' : supervisor ? 'supervisor' : 'memory',
      state: () => remote?.state() ?? { isAway: false, since: startedAt, reason: undefined }
    })
    await fastify.register(fastifyRateLimit, {
      global: false,
      store: createStore(limiter, standby) as never
    })
  },
  { name: 'sluice-tiers', fastify: '5.x' }
)

async function rateLimit(fastify: FastifyInstance, { by, tier: name }: RateLimitPatternOptions) {
  const own = fastify.tier(name)
  if (own === undefined) throw new Error(`no tier is named '${name}'`)

  describeRoutes(fastify, { limit: { by, tier: name } })
  const addresses = new LruMap<string>(10_000)
  // A user is shared by all requests with its token, in other scopes too.
  const placed = new WeakMap<User, User>()
  const inOwnTier = (user: User): User => {
    let own = placed.get(user)
    if (own === undefined) {
      own = withTier(user, name)
      placed.set(user, own)
    }
    return own
  }
  const tierOf = ({ user }: FastifyRequest): Tier =>
    by === 'address' || user[hasDefaultTier] ? own : (fastify.tier(user.tier) ?? own)
  const keyGenerator = (request: FastifyRequest): Admission => ({
    key: by === 'address' ? addressKey(request, addresses) : `consumer:${consumerOf(request)}`,
    tier: tierOf(request),
    decision: undefined
  })
  // The numbers are for @fastify/rate-limit alone: the store answers 0 for admitted and 2 for refused.
  const admit = fastify.createRateLimit({
    keyGenerator: keyGenerator as never,
    max: 1,
    timeWindow: 1
  }) as unknown as Admit

  const { limiter } = fastify
  // Not async, and past @fastify/rate-limit where there is nothing to wait for: its promises cost more than the answer.
  fastify.addHook('onRequest', (request, reply, done) => {
    if (by === 'consumer' && request.user[hasDefaultTier]) request.user = inOwnTier(request.user)
    if (limiter.checkNow !== undefined) {
      const admission = keyGenerator(request)
      admission.decision = limiter.checkNow(admission.key, admission.tier, 1)
      if (admission.decision !== undefined)
        return done(settle(admission, !isAllowed(admission.decision), request, reply))
    }
    const { exchange } = request
    const end = exchange.hold(done, () => {
      const tier = tierOf(request)
      exchange.tier = tier.name
      exchange.decision = 'unavailable'
      tier.decisions.unavailable++
      return unavailable()
    })
    admit(request).then(({ key, isExceeded }) => {
      if (exchange.abortReason === undefined) end(settle(key, isExceeded, request, reply))
    }, end)
  })
}

function settle(
  admission: Admission,
  isExceeded: boolean,
  request: FastifyRequest,
  reply: FastifyReply
): ProblemError | undefined {
  describe(admission, reply)
  const { tier, decision } = admission
  const { exchange } = request
  exchange.tier = tier.name
  const { without } = admission
  exchange.decision = decision !== undefined && isExceeded ? 'refused' : (without ?? 'allowed')
  tier.decisions[exchange.decision]++
  if (!isExceeded) return undefined
  return admission.decision === undefined ? unavailable() : quotaExceeded(admission.tier, admission.decision)
}

/** IPv6 by /64, which costs some 10 us, so it is remembered. Clients without an address are counted as one. */
function addressKey(request: FastifyRequest, known: LruMap<string>): string {
  const address = clientAddress(request) ?? NO_ADDRESS
  if (!address.includes(':')) return `address:${address}`
  let key = known.get(address)
  if (key === undefined) {
    key = `address:${normalizeIP(address, 64)}`
    known.set(address, key)
  }
  return key
}

export default fp(rateLimit, { name: 'sluice-rate-limit', fastify: '5.x', dependencies: ['sluice-tiers'] })

/** What the limits are and how much of them is left, beside what another pattern of the scope has said of its own. */
function describe({ tier, decision }: Admission, reply: FastifyReply): void {
  append(reply, 'ratelimit-policy', tier.policy)
  if (decision === undefined) return
  const states = decision.map(
    ({ remaining, reset }, i) => `"${tier.limits[i]?.name}";r=${remaining};t=${seconds(reset)}`
  )
  append(reply, 'ratelimit', states.join(', '))
}

function append(reply: FastifyReply, header: string, value: string): void {
  const before = reply.getHeader(header)
  reply.header(header, before === undefined ? value : `${before}, ${value}`)
}

function quotaExceeded(tier: Tier, decision: Decision): ProblemError {
  const violated = decision.flatMap((state, i) =>
    state.allowed ? [] : [{ name: tier.limits[i]?.name, reset: state.reset }]
  )
  const retryAfter = Math.max(...violated.map(({ reset }) => seconds(reset)))
  const error: ProblemError = new QuotaExceeded()
  error.headers = { 'retry-after': String(retryAfter) }
  error.problem = {
    type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
    'violated-policies': violated.map(({ name }) => name),
    retryAfter
  }
  return error
}

function unavailable(): ProblemError {
  const error: ProblemError = new LimitsUnavailable()
  error.headers = { 'retry-after': '1' }
  error.problem = { type: 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity' }
  return error
}

function seconds(milliseconds: number): number {
  return Math.max(1, Math.ceil(milliseconds / 1000))
}

declare module 'fastify' {
  interface FastifyInstance {
    tier(name: string): Tier | undefined
    tiers: Tier[]
    limiter: Limiter
    limitStore: LimitStore
  }
}
