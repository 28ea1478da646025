import type { FastifyBaseLogger } from 'fastify'
import { type Decision, type DecisionCallback, isAllowed, type Limiter, type Tier } from './limiter.ts'
import { redisReason } from './redis-reason.ts'
import type { Standby } from './standby.ts'

export interface RemoteLimiter extends Limiter {
  state(): RemoteState
  close(): void
}

export interface RemoteState {
  isDown: boolean
  /** Epoch milliseconds of the last change. */
  since: number
  /** Why it is down. */
  reason: string | undefined
}

export interface LocalCounting {
  standby: Standby
  /** Counts requests without checking the limits: `costs` for each limit. */
  charge?(key: string, tier: Tier, costs: number[], callback: (error: Error | null) => void): void
}

/**
 * Wraps a limiter that counts elsewhere. One check that fails or takes longer than `timeout` marks it as down. While it is
 * down, checks fail at once, and probes with jitter find out when it is up again. Then requests that `local` let through are
 * counted there before the first check.
 *
 * @param place where it counts, for the log
 * @param ask checks the limits there
 * @param timeout milliseconds
 * @param local counts while it is down, from its last decisions
 */
export function createRemoteLimiter(
  place: string,
  ask: Limiter['check'],
  timeout: number,
  log: FastifyBaseLogger,
  local?: LocalCounting
): RemoteLimiter {
  let isDown = false
  let isClosed = false
  let reason: string | undefined
  let since = Date.now()
  let probe: NodeJS.Timeout | undefined
  const down = new Error(`no response from ${place}`)
  const late = new Error(`no response from ${place} in time`)

  return {
    check(key, tier, cost, callback) {
      if (isDown) return callback(down)
      const settle: DecisionCallback = (error, decision) => {
        if (error !== null) markDown(error)
        else local?.standby.remember(key, tier, cost, decision as Decision)
        callback(error, decision)
      }
      // A Redis that hangs runs its commands once it continues, so a late reply has been counted.
      const settleLate: DecisionCallback = (error, decision) => {
        if (error === null && decision && isAllowed(decision)) local?.standby.isCounted(key, tier, cost)
      }
      inTime(done => ask(key, tier, cost, done), settle, settleLate)
    },
    state: () => ({ isDown, since, reason }),
    close() {
      isClosed = true
      clearTimeout(probe)
    }
  }

  function inTime(
    start: (done: DecisionCallback) => void,
    callback: DecisionCallback,
    callbackLate: DecisionCallback = () => {}
  ): void {
    const settle: DecisionCallback = (error, decision) => {
      if (timer === undefined) return callbackLate(error, decision)
      clearTimeout(timer)
      timer = undefined
      callback(error, decision)
    }
    // This process itself may have been busy: setImmediate lets it read replies that have come meanwhile.
    let timer: NodeJS.Timeout | undefined = setTimeout(setImmediate, timeout, settle, late)
    start(settle)
  }

  function markDown(error: Error): void {
    if (isDown || isClosed) return
    change(true, redisReason(error))
    log.warn({ reason }, `limits are not counted in ${place}`)
    scheduleProbe()
  }

  function markUp(): void {
    change(false)
    log.info(`limits are counted in ${place} again`)
  }

  function change(toDown: boolean, why?: string): void {
    isDown = toDown
    reason = why
    since = Date.now()
  }

  /** Probes with a check, because a Redis that is full or now a replica still answers a PING. */
  function scheduleProbe(): void {
    const check = () =>
      inTime(
        done => ask('probe', PROBE, 1, done),
        error => {
          if (isClosed) return
          if (error) return scheduleProbe()
          chargeAll(markUp)
        }
      )
    probe = setTimeout(check, 100 + Math.random() * 150)
    probe.unref()
  }

  /**
   * Charges batch after batch while requests still count locally. The last batch goes ahead of the first check. New
   * keys may come faster than they are charged, so after `ROUNDS` the rest is charged behind the first checks.
   */
  function chargeAll(callback: () => void, round = 0): void {
    const charge = local?.charge
    const charges = local?.standby.takeCharges(charge ? BATCH : Number.POSITIVE_INFINITY) ?? []
    if (charge === undefined) {
      callback()
      return
    }
    const isLast = charges.length < BATCH
    let open = charges.length
    let hasFailed = false
    if (isLast || round === ROUNDS) callback()
    for (const { key, tier, costs } of charges) {
      inTime(
        done => charge(key, tier, costs, done),
        error => {
          // A charge that failed may have been counted, so it is not repeated.
          hasFailed ||= error !== null
          if (--open > 0 || isLast || isClosed) return
          if (hasFailed && round < ROUNDS) scheduleProbe()
          else chargeAll(callback, round + 1)
        }
      )
    }
  }
}

/** Keys that are charged at a time. */
const BATCH = 256
const ROUNDS = 100

/** Rejects nothing. */
const PROBE: Tier = {
  name: 'probe',
  limits: [{ name: 'probe', limit: 1_000_000_000, window: 1_000, algorithm: 'sliding-window' }],
  onRedisDown: 'closed',
  counting: 'exact',
  policy: '',
  decisions: { allowed: 0, rejected: 0, local: 0, open: 0, closed: 0, unavailable: 0 }
}
