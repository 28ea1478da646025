import type { Attributes } from '@opentelemetry/api'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { hasDefaultTier, type User, withTier } from '../auth/user.ts'
import type { ProblemError } from '../http/problem.ts'
import { limitsOf } from '../limits/app-limits.ts'
import { createKeys } from '../limits/limit-key.ts'
import { addLimitHeaders, limitsUnavailable, quotaExceeded } from '../limits/limit-response.ts'
import { isAllowed, type Limiter, type Tier } from '../limits/limiter.ts'
import { type Admission, createAdmit } from '../limits/rate-limit-store.ts'
import { describeCalls } from '../limits/redis-limiter.ts'
import { defineTiers, isDefinition, tiersOf } from '../limits/scope-tiers.ts'
import { describeRoutes } from '../observe/route-metadata.ts'
import type { ScopeLimitOptions, TiersOptions } from '../schemas/options/rate-limit.ts'

export type RateLimitOptions = TiersOptions | ScopeLimitOptions

/**
 * Limits how often a consumer or an address may call: by limits of the scope's own, or by tiers with names. Without `by`
 * it defines tiers for the scopes that follow, and limits nothing.
 *
 * ```ts
 * await scope.register(rateLimit, { by: 'consumer', limits: [{ limit: 100, window: 60_000 }] })
 *
 * await app.register(rateLimit, { tiers: { free: { limits: [ … ] }, pro: { limits: [ … ] } } })
 * await scope.register(rateLimit, { by: 'consumer', tier: 'free' })
 * ```
 *
 * A consumer is `request.user`, in the tier of its token if one has that name, else in `tier`. A request without a user counts by
 * its address. Scopes that use the same tier share its counters, which are in Redis if the redis plugin is registered.
 * With the exchange plugin the request's deadline ends the wait for Redis.
 *
 * Errors: 429 with `Retry-After`; 503 while Redis is down and the tier is `closed`.
 */
async function rateLimit(fastify: FastifyInstance, input: RateLimitOptions) {
  const limits = limitsOf(fastify)
  fastify.addHook('onReady', async () => limits.start(fastify))
  fastify.addHook('onClose', async () => limits.close())
  fastify.addHook('onRoute', rejectRouteLimit)
  if (isDefinition(input)) return defineTiers(fastify, input)

  const { by } = input
  const { own, byName } = tiersOf(fastify, input)
  if (by === 'consumer' && !fastify.hasRequestDecorator('user'))
    throw new Error(
      "rateLimit: by 'consumer' needs request.user: register jwt before it, or a plugin that calls decorateRequest('user')"
    )
  describeRoutes(fastify, { limit: { by, tier: own.name } })
  const keyOf = createKeys(by)
  const admit = await createAdmit(fastify, limits, admissionOf)
  let limiter: Limiter
  let calls: Attributes
  fastify.addHook('onReady', async () => {
    limiter = limits.limiter as Limiter
    calls = describeCalls(fastify.redis)
  })

  // A user is shared by all requests with its token, in other scopes too.
  const placed = new WeakMap<User, User>()

  // Not async, and without @fastify/rate-limit if there is nothing to wait for: its promises cost more than the decision.
  fastify.addHook('onRequest', (request, reply, done) => {
    if (byName !== undefined && by === 'consumer' && request.user?.[hasDefaultTier])
      request.user = inOwnTier(request.user)
    if (limiter.checkNow !== undefined) {
      const admission = admissionOf(request)
      admission.decision = limiter.checkNow(admission.key, admission.tier, 1)
      if (admission.decision !== undefined)
        return done(settle(admission, !isAllowed(admission.decision), request, reply))
    }
    const { exchange } = request
    if (exchange === undefined) {
      admit(request).then(({ key, isExceeded }) => done(settle(key, isExceeded, request, reply)), done)
      return
    }
    const end = exchange.hold(done, () => {
      const tier = tierOf(request)
      exchange.tier = tier.name
      exchange.decision = 'unavailable'
      tier.decisions.unavailable++
      return limitsUnavailable()
    })
    const span = limits.kind === 'redis' ? exchange.trace?.startCall('EVALSHA', calls) : undefined
    admit(request).then(({ key, isExceeded }) => {
      if (span !== undefined)
        exchange.trace?.end(span, key.fallback === undefined ? undefined : 'unavailable')
      if (exchange.abortReason === undefined) end(settle(key, isExceeded, request, reply))
    }, end)
  })

  function settle(
    admission: Admission,
    isExceeded: boolean,
    request: FastifyRequest,
    reply: FastifyReply
  ): ProblemError | undefined {
    const { key, tier, decision } = admission
    if (decision !== undefined) limits.near.note(key, tier, decision)
    return respond(admission, isExceeded, request, reply)
  }

  function admissionOf(request: FastifyRequest): Admission {
    return { key: keyOf(request), tier: tierOf(request), decision: undefined }
  }

  function tierOf({ user }: FastifyRequest): Tier {
    if (by === 'address' || byName === undefined || !user || user[hasDefaultTier]) return own
    return byName.get(user.tier) ?? own
  }

  /** Returns the user with the scope's tier, for a token that names none. */
  function inOwnTier(user: User): User {
    let moved = placed.get(user)
    if (moved === undefined) {
      moved = withTier(user, own.name)
      placed.set(user, moved)
    }
    return moved
  }
}

/** @throws for a limit in a route's config, unless an app's own @fastify/rate-limit applies it */
function rejectRouteLimit(this: FastifyInstance, { url, config }: RouteOptions): void {
  if (config?.rateLimit !== undefined && !this.hasDecorator('createRateLimit'))
    throw new Error(`${url} has a rateLimit in its config; register the rateLimit plugin in a scope instead`)
}

function respond(
  admission: Admission,
  isExceeded: boolean,
  { exchange }: FastifyRequest,
  reply: FastifyReply
): ProblemError | undefined {
  const { tier, decision, fallback } = admission
  addLimitHeaders(reply, tier, decision)
  const outcome = decision !== undefined && isExceeded ? 'rejected' : (fallback ?? 'allowed')
  tier.decisions[outcome]++
  if (exchange !== undefined) {
    exchange.tier = tier.name
    exchange.decision = outcome
  }
  if (!isExceeded) return undefined
  return decision === undefined ? limitsUnavailable() : quotaExceeded(tier, decision)
}

export default fp(rateLimit, { name: 'sluice-rate-limit', fastify: '5.x' })
