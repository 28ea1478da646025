import { LruMap } from 'toad-cache'
import { createDoorkeeper } from './doorkeeper.ts'
import type { Decision, DecisionCallback, Limiter, Tier } from './limiter.ts'

/**
 * Wraps a remote limiter with leases: permits taken in advance, so that it is asked for few requests.
 *
 * For each key, a lease holds what the key needs within a horizon (a tenth of the tier's shortest window) at its current
 * rate, but at most 1 % of what is left: low limits stay exact, and high ones near their end. Permits count when they are
 * taken and lapse after the horizon. A request that has a permit never waits: new ones are taken in the background once
 * three quarters are used, for all keys that need some within `COLLECT_TIME` together.
 *
 * Bound: with N gateways and a lease of L, at most limit + N x L requests pass within any window, because only permits
 * taken in an earlier window and not used there add to it. L is at most 1 % of the limit.
 *
 * A rejected key is rejected here until its time is up. Nothing is kept for a key that comes once.
 *
 * @param now milliseconds of a monotonic clock
 * @param counts is counted up
 */
export function createLeasedLimiter(
  store: Limiter,
  now: () => number = () => performance.now(),
  counts: LeaseCounts = { fromLease: 0, storeCalls: 0 }
): Limiter {
  const leases = new LruMap<Lease>(MAX_LEASES)
  const isKnown = createDoorkeeper()
  /** Leases that take permits soon. */
  const due = new Map<Lease, { key: string; tier: Tier }>()
  const limiter: Limiter = {
    check(key, tier, cost, callback) {
      counts.storeCalls++
      store.check(key, tier, cost, callback)
    }
  }

  return {
    checkNow(key, tier, cost) {
      const lease = leases.get(`${tier.name} ${key}`)
      if (lease === undefined) return undefined
      const time = now()
      if (time < lease.rejectedUntil) {
        counts.fromLease++
        return decisionAt(lease, time)
      }
      if (lease.permits < cost || time >= lease.expiresAt) return undefined
      counts.fromLease++
      lease.permits -= cost
      lease.used += cost
      if (isLow(lease)) takeSoon(lease, key, tier, time)
      return decisionAt(lease, time)
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
      } else if (tier.counting === 'leased' && isKnown(id)) {
        take(createLease(id, time), key, tier, cost, time, callback)
      } else {
        limiter.check(key, tier, cost, (error, decision) => {
          if (error === null && decision?.some(state => !state.allowed))
            record(leases.get(id) ?? createLease(id, time), decision, cost)
          callback(error, decision)
        })
      }
    }
  }

  function createLease(id: string, time: number): Lease {
    const lease = {
      permits: 0,
      expiresAt: 0,
      taken: 0,
      takenAt: time,
      used: 0,
      isTaking: false,
      rejectedUntil: 0,
      decidedAt: 0,
      decision: []
    }
    leases.set(id, lease)
    return lease
  }

  function isLow({ permits, taken, isTaking }: Lease): boolean {
    return permits <= taken / 4 && !isTaking
  }

  /** Waits for other keys if the permits last twice as long: a message to the store costs more than a check in it. */
  function takeSoon(lease: Lease, key: string, tier: Tier, time: number): void {
    if (lease.permits < rateOf(lease, time) * COLLECT_TIME * 2) take(lease, key, tier, 0, time, () => {})
    else {
      if (due.size === 0) setTimeout(takeDue, COLLECT_TIME).unref()
      due.set(lease, { key, tier })
    }
  }

  function takeDue(): void {
    const time = now()
    // Requests that found no permit may have taken some since.
    for (const [lease, { key, tier }] of due) if (isLow(lease)) take(lease, key, tier, 0, time, () => {})
    due.clear()
  }

  /** Takes `cost` permits for a request without one, and permits for the lease with the same call. */
  function take(
    lease: Lease,
    key: string,
    tier: Tier,
    cost: number,
    time: number,
    callback: DecisionCallback
  ): void {
    const extra = lease.isTaking ? 0 : Math.max(0, sizeOf(lease, tier, time) - lease.permits)
    const wanted = cost + extra
    if (wanted === 0) return
    if (extra > 0) {
      lease.isTaking = true
      lease.takenAt = time
      lease.used = cost
    } else lease.used += cost

    limiter.check(key, tier, wanted, (error, decision) => {
      if (extra > 0) lease.isTaking = false
      if (error !== null) return callback(error)
      const decided = decision as Decision
      if (decided.every(state => state.allowed)) {
        lease.permits += extra
        lease.taken = lease.permits
        lease.expiresAt = now() + horizonOf(tier)
      } else if (extra > 0 && cost > 0) {
        // Less than that is left, but perhaps enough for this request.
        return limiter.check(key, tier, cost, (error, decision) => {
          if (error === null) record(lease, decision as Decision, cost)
          callback(error, decision)
        })
      }
      // Rejected permits in advance do not reject requests that have a permit.
      record(lease, cost > 0 ? decided : decided.map(state => ({ ...state, allowed: true })), cost)
      callback(null, cost > 0 ? decisionAt(lease, now()) : decided)
    })
  }

  function record(lease: Lease, decision: Decision, cost: number): void {
    lease.decision = decision
    lease.decidedAt = now()
    const rejecting = decision.filter(state => !state.allowed)
    if (cost === 1 && rejecting.length > 0)
      lease.rejectedUntil = lease.decidedAt + Math.max(...rejecting.map(state => state.reset))
    else if (rejecting.length === 0) lease.rejectedUntil = 0
  }

  /** Returns the last decision as of now: permits at hand still remain. */
  function decisionAt({ decision, decidedAt, permits }: Lease, time: number): Decision {
    const elapsed = time - decidedAt
    return decision.map(({ allowed, remaining, reset }) => ({
      allowed,
      remaining: allowed ? remaining + permits : 0,
      reset: Math.max(1, reset - elapsed)
    }))
  }

  function sizeOf(lease: Lease, tier: Tier, time: number): number {
    if (tier.counting === 'exact' || lease.decidedAt === 0) return 0
    const left = Math.min(...lease.decision.map(state => state.remaining))
    return Math.min(Math.ceil(rateOf(lease, time) * horizonOf(tier)), Math.floor(left / 100))
  }
}

/** Returns the requests per millisecond since permits were last taken in advance. */
function rateOf({ used, takenAt }: Lease, time: number): number {
  return used / Math.max(1, time - takenAt)
}

/** Counts since the start. */
export interface LeaseCounts {
  /** Requests that were decided without asking the store. */
  fromLease: number
  /** Questions to the store; permits in advance included. */
  storeCalls: number
}

/** Least recently used leases are dropped; their keys are then checked one request at a time. */
const MAX_LEASES = 10_000

/** Milliseconds. */
const COLLECT_TIME = 10

/** Milliseconds. */
function horizonOf({ limits }: Tier): number {
  return Math.min(...limits.map(({ window }) => window)) / 10
}

/** Times are those of `now`. */
interface Lease {
  permits: number
  expiresAt: number
  /** Permits at hand after the last call. */
  taken: number
  /** When permits were last taken in advance, and requests since. */
  takenAt: number
  used: number
  isTaking: boolean
  rejectedUntil: number
  decidedAt: number
  decision: Decision
}
