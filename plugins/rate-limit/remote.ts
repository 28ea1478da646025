import type { FastifyBaseLogger } from 'fastify'
import type { Decision, Limiter, Tier } from './limiter.ts'

/**
 * A limiter that counts somewhere else, which may be away: `ask` is its check. One that fails, or takes longer than
 * `timeout` (ms), marks it as away: from then on checks fail at once, and one probe at a time, jittered, finds out when
 * it counts again. `place`: where, for the log.
 */
export function createRemoteLimiter(
  place: string,
  ask: Limiter['check'],
  timeout: number,
  log: FastifyBaseLogger
): Limiter & { close(): void } {
  let isAway = false
  let isClosed = false
  let probe: NodeJS.Timeout | undefined
  const away = new Error(`no answer from ${place}`)
  const late = new Error(`no answer from ${place} in time`)

  return {
    check(key, tier, cost, callback) {
      if (isAway) return callback(away)
      askInTime(key, tier, cost, (error, decision) => {
        if (error !== null) leave(error)
        callback(error, decision)
      })
    },
    close() {
      isClosed = true
      clearTimeout(probe)
    }
  }

  function askInTime(key: string, tier: Tier, cost: number, callback: Parameters<Limiter['check']>[3]): void {
    const settle = (error: Error | null, decision?: Decision) => {
      if (timer === undefined) return
      clearTimeout(timer)
      timer = undefined
      callback(error, decision)
    }
    // It may have been this process that took so long: what has come meanwhile is read first.
    let timer: NodeJS.Timeout | undefined = setTimeout(setImmediate, timeout, settle, late)
    ask(key, tier, cost, settle)
  }

  function leave(error: Error): void {
    if (isAway || isClosed) return
    isAway = true
    log.warn({ err: error }, `limits are not counted in ${place}`)
    scheduleProbe()
  }

  /** A check like any other: a Redis that is full, or a replica now, answers a PING all the same. */
  function scheduleProbe(): void {
    const tryAgain = () =>
      askInTime('probe', PROBE, 1, error => {
        if (isClosed) return
        if (error) return scheduleProbe()
        isAway = false
        log.info(`limits are counted in ${place} again`)
      })
    probe = setTimeout(tryAgain, 100 + Math.random() * 150)
    probe.unref()
  }
}

/** Refuses nothing. */
const PROBE: Tier = {
  name: 'probe',
  limits: [{ name: 'probe', limit: 1_000_000_000, window: 1_000, algorithm: 'sliding-window' }],
  redisAway: 'closed',
  counting: 'exact',
  policy: '',
  decisions: { allowed: 0, refused: 0, unavailable: 0 }
}
