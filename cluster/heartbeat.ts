/**
 * Notices a worker whose event loop no longer turns: one that loops, in JavaScript or in native code, or that waits for
 * something in its only thread. The supervisor sends a ping a tick, one at a time, and the worker answers it.
 */
export interface Heartbeat {
  /** False after two ticks without an answer. */
  readonly isResponsive: boolean
  /** The worker has answered. `isDebugged`: its inspector is open, so that it may stand still for as long as it likes. */
  answered(isDebugged: boolean): void
  stop(): void
}

export interface HeartbeatOptions {
  /** Milliseconds without an answer after which a worker counts as hung; 0: it never does. */
  timeout: number
  ping(): void
  /** Called when `isResponsive` has changed. */
  onChange(): void
  /** Called once. */
  onHung(): void
  /** Milliseconds, monotonic. */
  now?(): number
}

/** Ticks within a timeout: one is a tenth of it, and a worker counts as unresponsive after two. */
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
  let lookedAt = now()
  const timer = timeout > 0 ? setInterval(look, tick).unref() : undefined

  return {
    get isResponsive() {
      return isResponsive
    },
    answered(debugged) {
      isAsked = false
      isDebugged = debugged
      silence = 0
      change(true)
    },
    stop: () => clearInterval(timer)
  }

  /**
   * A look that comes late counts as one in time: a supervisor that stood still itself (SIGSTOP, a suspended machine, no
   * processor to run on) has not read the answers that came meanwhile, and its workers may have stood still with it.
   */
  function look(): void {
    const time = now()
    if (isAsked && !isDebugged) silence += Math.min(time - lookedAt, tick)
    lookedAt = time
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

/** Milliseconds. */
const MIN_TICK = 10
