import type { FastifyBaseLogger } from 'fastify'
import {
  type Decision,
  type DecisionCallback,
  isAllowed,
  type Limiter,
  MAX_BATCH,
  type Tier
} from './limiter.ts'
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

/** A check on its way to the counters, which call it back once. */
export interface Check {
  key: string
  tier: Tier
  cost: number
  callback: DecisionCallback
}

export interface LocalCounting {
  standby: Standby
  /** Counts requests without checking the limits: `costs` for each limit. */
  charge?(key: string, tier: Tier, costs: number[], callback: (error: Error | null) => void): void
}

/**
 * Wraps a limiter that counts elsewhere, and asks it once for all checks of a turn of the event loop. One check that fails or
 * takes longer than `timeout` marks it as down. While it is down, checks fail at once, and probes with jitter find out when
 * it is up again. Then requests that `local` let through are counted there before the first check.
 *
 * @param place where it counts, for the log
 * @param ask checks the limits there, for up to `MAX_BATCH` checks
 * @param timeout milliseconds
 * @param local counts while it is down, from its last decisions
 */
export function createRemoteLimiter(
  place: string,
  ask: (checks: Check[]) => void,
  timeout: number,
  log: FastifyBaseLogger,
  local?: LocalCounting
): RemoteLimiter {
  let isDown = false
  let isClosed = false
  let reason: string | undefined
  let since = Date.now()
  let probe: NodeJS.Timeout | undefined
  /** Checks of this turn of the event loop. */
  let turn: Check[] = []
  const down = new Error(`no response from ${place}`)
  const late = new Error(`no response from ${place} in time`)

  return {
    check(key, tier, cost, callback) {
      if (isDown) return callback(down)
      if (turn.length === 0) setImmediate(send)
      turn.push({ key, tier, cost, callback })
      if (turn.length === MAX_BATCH) send()
    },
    state: () => ({ isDown, since, reason }),
    close() {
      isClosed = true
      clearTimeout(probe)
    }
  }

  /** Asks for the checks of this turn. The timeout starts now, since until then this process was busy. */
  function send(): void {
    if (turn.length === 0) return
    const checks = turn
    const waiting = new Set(checks)
    turn = []
    // The process may have been busy meanwhile: setImmediate lets it read replies that have come.
    const timer = setTimeout(setImmediate, timeout, () => {
      for (const check of waiting) settle(check, late)
      waiting.clear()
    })
    ask(
      checks.map(check => ({
        ...check,
        callback(error, decision) {
          if (!waiting.delete(check)) return settleLate(check, error, decision)
          if (waiting.size === 0) clearTimeout(timer)
          settle(check, error, decision)
        }
      }))
    )
  }

  function settle({ key, tier, cost, callback }: Check, error: Error | null, decision?: Decision): void {
    if (error !== null) markDown(error)
    else local?.standby.remember(key, tier, cost, decision as Decision)
    callback(error, decision)
  }

  /** A Redis that hangs runs its commands once it continues, so a late reply has been counted. */
  function settleLate({ key, tier, cost }: Check, error: Error | null, decision?: Decision): void {
    if (error === null && isAllowed(decision as Decision)) local?.standby.isCounted(key, tier, cost)
  }

  function inTime(
    start: (done: (error: Error | null) => void) => void,
    callback: (error: Error | null) => void
  ): void {
    const settle = (error: Error | null) => {
      if (timer === undefined) return
      clearTimeout(timer)
      timer = undefined
      callback(error)
    }
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
        done => ask([{ key: 'probe', tier: PROBE, cost: 1, callback: done }]),
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
