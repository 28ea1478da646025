import { LruMap } from 'toad-cache'
import { createSeen } from './doorkeeper.ts'
import type { Decision, Limiter, Tier } from './limiter.ts'

/**
 * Leases: permits taken from a shared limiter ahead of need, so that it sees a few of the requests, not all of them.
 *
 * Per key a gateway takes what it will need within a horizon (a tenth of the tier's shortest window), by the rate
 * at which the key has just come, but at most a hundredth of what is left: low limits stay exact, and so do high ones
 * towards their end. Permits are counted when they are taken; those not used within the horizon lapse. A request that
 * has a permit never waits: more are taken in the background once three quarters are gone.
 *
 * Bound: with N gateways and a lease of L, at most limit + N x L requests pass within any window, since only permits
 * taken in an earlier window, and not used in it, can come on top. L is at most a hundredth of the limit.
 *
 * A key that was refused is refused here, until its time is up. Nothing is kept of a key that has come once.
 *
 * `now`: milliseconds of a monotonic clock.
 */
export function createLeasedLimiter(limiter: Limiter, now: () => number = () => performance.now()): Limiter {
  const leases = new LruMap<Lease>(MAX_LEASES)
  const isSeen = createSeen()

  return {
    checkNow(key, tier, cost) {
      const lease = leases.get(`${tier.name} ${key}`)
      if (lease === undefined) return undefined
      const time = now()
      if (time < lease.refusedUntil) return standing(lease, time)
      if (lease.permits < cost || time >= lease.ends) return undefined
      lease.permits -= cost
      lease.used += cost
      if (lease.permits <= lease.taken / 4 && !lease.isTaking) take(lease, key, tier, 0, time, () => {})
      return standing(lease, time)
    },
    check(key, tier, cost, callback) {
      const decision = this.checkNow?.(key, tier, cost)
      if (decision !== undefined) return callback(null, decision)
      const id = `${tier.name} ${key}`
      const time = now()
      const lease = leases.get(id)
      if (lease !== undefined) {
        lease.permits = 0
        take(lease, key, tier, cost, time, callback)
      } else if (tier.counting === 'leased' && isSeen(id)) {
        take(createLease(id, time), key, tier, cost, time, callback)
      } else {
        limiter.check(key, tier, cost, (error, decision) => {
          if (error === null && decision?.some(state => !state.allowed))
            keep(leases.get(id) ?? createLease(id, time), decision, cost)
          callback(error, decision)
        })
      }
    }
  }

  function createLease(id: string, time: number): Lease {
    const lease = {
      permits: 0,
      ends: 0,
      taken: 0,
      calledAt: time,
      used: 0,
      isTaking: false,
      refusedUntil: 0,
      answeredAt: 0,
      decision: []
    }
    leases.set(id, lease)
    return lease
  }

  /** Takes `cost` permits for a request that has none, and what the lease is to hold besides. */
  function take(
    lease: Lease,
    key: string,
    tier: Tier,
    cost: number,
    time: number,
    callback: Parameters<Limiter['check']>[3]
  ): void {
    const ahead = lease.isTaking ? 0 : Math.max(0, sizeOf(lease, tier, time) - lease.permits)
    const wanted = cost + ahead
    if (wanted === 0) return
    if (ahead > 0) {
      lease.isTaking = true
      lease.calledAt = time
      lease.used = cost
    } else lease.used += cost

    limiter.check(key, tier, wanted, (error, decision) => {
      if (ahead > 0) lease.isTaking = false
      if (error !== null) return callback(error)
      const answered = decision as Decision
      if (answered.every(state => state.allowed)) {
        lease.permits += ahead
        lease.taken = lease.permits
        lease.ends = now() + horizonOf(tier)
      } else if (ahead > 0 && cost > 0) {
        // Not that much is left, but perhaps enough for this one.
        return limiter.check(key, tier, cost, (error, decision) => {
          if (error === null) keep(lease, decision as Decision, cost)
          callback(error, decision)
        })
      }
      // What is refused ahead refuses nobody who has a permit.
      keep(lease, cost > 0 ? answered : answered.map(state => ({ ...state, allowed: true })), cost)
      callback(null, cost > 0 ? standing(lease, now()) : answered)
    })
  }

  function keep(lease: Lease, decision: Decision, cost: number): void {
    lease.decision = decision
    lease.answeredAt = now()
    const refused = decision.filter(state => !state.allowed)
    if (cost === 1 && refused.length > 0)
      lease.refusedUntil = lease.answeredAt + Math.max(...refused.map(state => state.reset))
    else if (refused.length === 0) lease.refusedUntil = 0
  }

  /** What the limiter last said, by now: the permits at hand are still to be had. */
  function standing({ decision, answeredAt, permits }: Lease, time: number): Decision {
    const passed = time - answeredAt
    return decision.map(({ allowed, remaining, reset }) => ({
      allowed,
      remaining: allowed ? remaining + permits : 0,
      reset: Math.max(1, reset - passed)
    }))
  }

  function sizeOf(lease: Lease, tier: Tier, time: number): number {
    if (tier.counting === 'exact' || lease.answeredAt === 0) return 0
    const left = Math.min(...lease.decision.map(state => state.remaining))
    const rate = lease.used / Math.max(1, time - lease.calledAt)
    return Math.min(Math.ceil(rate * horizonOf(tier)), Math.floor(left / 100))
  }
}

/** Those that come most. One that is forgotten is asked for again: a lease saves calls, the truth is elsewhere. */
const MAX_LEASES = 10_000

/** Milliseconds. */
function horizonOf({ limits }: Tier): number {
  return Math.min(...limits.map(({ window }) => window)) / 10
}

interface Lease {
  permits: number
  /** When the permits lapse. */
  ends: number
  /** Permits held after they were last taken. */
  taken: number
  /** When permits were last taken ahead, and how many requests have come since. */
  calledAt: number
  used: number
  isTaking: boolean
  refusedUntil: number
  answeredAt: number
  decision: Decision
}
