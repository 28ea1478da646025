/**
 * Detects a worker whose event loop is blocked, by an endless loop or by a synchronous call. The supervisor sends one ping
 * per tick, unless one is unanswered.
 */
export interface Heartbeat {
  /** False after two ticks without a pong. */
  readonly isResponsive: boolean
  /**
   * Handles a pong.
   * @param isDebugged the worker's inspector is open, so it may be paused for any time
   */
  pong(isDebugged: boolean): void
  stop(): void
}

export interface HeartbeatOptions {
  /** ms without a pong after which a worker counts as hung; 0: never. */
  timeout: number
  ping(): void
  /** Called when `isResponsive` changes. */
  onChange(): void
  /** Called once. */
  onHung(): void
  /** Monotonic clock, in ms. */
  now?(): number
}

/** Ticks per timeout. */
const TICKS = 10

export function startHeartbeat({
  timeout,
  ping,
  onChange,
  onHung,
  now = () => performance.now()
}: HeartbeatOptions): Heartbeat {
  const tick = Math.max(MIN_TICK, timeout / TICKS)
  let isResponsive = true
  let isDebugged = false
  let isAsked = false
  let silence = 0
  let checkedAt = now()
  const timer = timeout > 0 ? setInterval(check, tick).unref() : undefined

  return {
    get isResponsive() {
      return isResponsive
    },
    pong(debugged) {
      isAsked = false
      isDebugged = debugged
      silence = 0
      change(true)
    },
    stop: () => clearInterval(timer)
  }

  /**
   * Counts at most one tick per check: if the supervisor itself was stopped (SIGSTOP, a suspended machine), it has not read
   * the pongs, and its workers may have been stopped too.
   */
  function check(): void {
    const time = now()
    if (isAsked && !isDebugged) silence += Math.min(time - checkedAt, tick)
    checkedAt = time
    if (silence >= timeout) {
      clearInterval(timer)
      onHung()
      return
    }
    if (silence >= 2 * tick) change(false)
    if (isAsked) return
    isAsked = true
    ping()
  }

  function change(next: boolean): void {
    if (next === isResponsive) return
    isResponsive = next
    onChange()
  }
}

/** ms. */
const MIN_TICK = 10
