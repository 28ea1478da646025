import type { FastifyBaseLogger } from 'fastify'
import { type Decision, isAllowed, type Limiter, type Tier } from './limiter.ts'
import { redisReason } from './redis-reason.ts'
import type { Standby } from './standby.ts'

/**
 * A limiter that counts somewhere else, which may be away: `ask` is its check. One that fails, or takes longer than
 * `timeout` (ms), marks it as away: from then on checks fail at once, and one probe at a time, jittered, finds out when
 * it counts again. `place`: where, for the log. `local`: counts meanwhile. It learns every decision, and what it let
 * through is charged before `place` is asked again.
 */
export function createRemoteLimiter(
  place: string,
  ask: Limiter['check'],
  timeout: number,
  log: FastifyBaseLogger,
  local?: Local
): RemoteLimiter {
  let isDown = false
  let isClosed = false
  let reason: string | undefined
  let since = Date.now()
  let probe: NodeJS.Timeout | undefined
  const away = new Error(`no answer from ${place}`)
  const late = new Error(`no answer from ${place} in time`)

  return {
    check(key, tier, cost, callback) {
      if (isDown) return callback(away)
      const settle: Answer = (error, decision) => {
        if (error !== null) leave(error)
        else local?.standby.remember(key, tier, cost, decision as Decision)
        callback(error, decision)
      }
      // A Redis that hangs runs the commands that it was sent once it continues: a late reply has been counted.
      const settleLate: Answer = (error, decision) => {
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

  function inTime(start: (done: Answer) => void, callback: Answer, callbackLate: Answer = () => {}): void {
    const settle: Answer = (error, decision) => {
      if (timer === undefined) return callbackLate(error, decision)
      clearTimeout(timer)
      timer = undefined
      callback(error, decision)
    }
    // It may have been this process that took so long: what has come meanwhile is read first.
    let timer: NodeJS.Timeout | undefined = setTimeout(setImmediate, timeout, settle, late)
    start(settle)
  }

  function leave(error: Error): void {
    if (isDown || isClosed) return
    turn(true, redisReason(error))
    log.warn({ reason }, `limits are not counted in ${place}`)
    scheduleProbe()
  }

  function turn(toAway: boolean, why?: string): void {
    isDown = toAway
    reason = why
    since = Date.now()
  }

  /** A check like any other: a Redis that is full, or a replica now, answers a PING all the same. */
  function scheduleProbe(): void {
    const tryAgain = () =>
      inTime(
        done => ask('probe', PROBE, 1, done),
        error => {
          if (isClosed) return
          if (error) return scheduleProbe()
          chargeAll(comeBack)
        }
      )
    probe = setTimeout(tryAgain, 100 + Math.random() * 150)
    probe.unref()
  }

  function comeBack(): void {
    turn(false)
    log.info(`limits are counted in ${place} again`)
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

export interface RemoteLimiter extends Limiter {
  state(): RemoteState
  close(): void
}

export interface RemoteState {
  isDown: boolean
  /** Epoch ms of the last change. */
  since: number
  /** Why it is away. */
  reason: string | undefined
}

export interface Local {
  standby: Standby
  /** Counts without asking whether the limits allow it: `costs` of each limit. */
  charge?(key: string, tier: Tier, costs: number[], callback: (error: Error | null) => void): void
}

type Answer = (error: Error | null, decision?: Decision) => void

/** Keys that are charged at a time. */
const BATCH = 256
const ROUNDS = 100

/** Refuses nothing. */
const PROBE: Tier = {
  name: 'probe',
  limits: [{ name: 'probe', limit: 1_000_000_000, window: 1_000, algorithm: 'sliding-window' }],
  onRedisDown: 'closed',
  counting: 'exact',
  policy: '',
  decisions: { allowed: 0, refused: 0, local: 0, open: 0, closed: 0, unavailable: 0 }
}
