import CircuitBreaker from 'opossum'
import type { BreakerOptions } from '../../schemas/upstream.ts'

/**
 * A breaker an upstream. opossum keeps the state, the reset timer and the rolling counts; what counts as a success or
 * a failure is settled here before opossum hears of it, since `fire()` would decide that by itself (and counts own
 * refusals as failures, filtered errors as successes, and closes on one answer that began before it opened).
 */
export interface Breaker {
  /** A permit to call, or undefined while calls are refused. Every permit must be reported exactly once. */
  admit(): Permit | undefined
  /** `ms`: how long the answer's head took, for a breaker that minds slow calls. */
  /**
   * `ms` to the head of the answer. `culprit`: the endpoint of several that failed; failures in a row of one alone are
   * for ejection, and open nothing.
   */
  report(permit: Permit, outcome: Outcome, ms?: number, culprit?: object): void
  /** Does what another process' breaker has done: opens as if at `openedAt` (of the same clock), or closes at 0. */
  follow(openedAt: number): void
  /** Seconds until a refused call is worth repeating. */
  retryAfter(): number
  readonly state: BreakerState
  counts(): BreakerCounts
  close(): void
}

/**
 * - `success`, `failure`: the service did, or did not do, its work.
 * - `answered`: the service refused the request (4xx). Says nothing of its health while closed; as a trial it passes,
 *   or a service that is only ever asked for what it lacks would stay half-open for good.
 * - `neutral`: nothing was learned (the client left, the request was refused here). A trial's place is given back.
 */
export type Outcome = 'success' | 'failure' | 'answered' | 'neutral'
export type BreakerState = 'closed' | 'open' | 'half-open'
/** The number of the state that the call began in: a result from an earlier one is counted but changes nothing. */
export type Permit = number

export interface BreakerCounts {
  /** Within the rolling window; calls that were answered with a 4xx are neither successes nor failures. */
  calls: number
  successes: number
  failures: number
  slow: number
  /** Since the start. */
  refused: number
  opened: number
  halfOpened: number
  closed: number
  slowTotal: number
}

export function createBreaker(
  name: string,
  options: Omit<BreakerOptions, 'shared'>,
  onChange: (state: BreakerState, isFollowing: boolean) => void,
  now: () => number = Date.now
): Breaker {
  const { failures, rate, slow, resetTimeout, trials } = options
  const circuit = new CircuitBreaker(async () => {}, {
    name,
    timeout: false,
    resetTimeout,
    rollingCountTimeout: rate?.window ?? 10_000,
    rollingPercentilesEnabled: false,
    enableSnapshots: false
  })
  let epoch: Permit = 0
  let consecutive = 0
  /** Of the failures in a row: the only endpoint that they come from, or undefined if it is not one alone. */
  let suspect: object | undefined
  let openedAt = 0
  let started = 0
  let passed = 0
  let refused = 0
  let isFollowing = false
  let slowTotal = 0
  const entered = { open: 0, 'half-open': 0, closed: 0 }

  circuit.on('open', () => {
    openedAt = now()
    enter('open')
  })
  circuit.on('halfOpen', () => enter('half-open'))
  circuit.on('close', () => enter('closed'))

  return {
    admit() {
      if (circuit.closed) return epoch
      if (circuit.halfOpen && started < trials) {
        started++
        return epoch
      }
      refused++
      return undefined
    },
    report(permit, outcome, ms = 0, culprit) {
      if (outcome === 'neutral') {
        if (permit === epoch && circuit.halfOpen) started--
        return
      }
      count('fires')
      const isSlow = slow !== undefined && ms >= slow.threshold
      if (permit === epoch) settle(outcome, isSlow, culprit)
      // opossum's own timeouts are off; their place in the window is for slow calls.
      if (isSlow) {
        slowTotal++
        count('timeouts')
      }
      if (outcome === 'failure') count('failures')
      else if (outcome === 'success') count('successes')
    },
    follow(since) {
      isFollowing = true
      if (since === 0) circuit.close()
      else if (!circuit.opened) {
        const { options } = circuit as unknown as { options: { resetTimeout: number } }
        options.resetTimeout = Math.max(1, since + resetTimeout - now())
        circuit.open()
        options.resetTimeout = resetTimeout
        openedAt = since
      }
      isFollowing = false
    },
    retryAfter() {
      return circuit.opened ? Math.max(1, Math.ceil((openedAt + resetTimeout - now()) / 1000)) : 1
    },
    get state() {
      return circuit.closed ? 'closed' : circuit.opened ? 'open' : 'half-open'
    },
    counts() {
      const stats = circuit.stats
      return {
        calls: stats.fires,
        successes: stats.successes,
        failures: stats.failures,
        slow: stats.timeouts,
        refused,
        opened: entered.open,
        halfOpened: entered['half-open'],
        closed: entered.closed,
        slowTotal
      }
    },
    close() {
      circuit.shutdown()
    }
  }

  /** Not by the events of these names: on the first success that it hears of, opossum closes a half-open circuit. */
  function count(what: 'fires' | 'successes' | 'failures' | 'timeouts'): void {
    ;(circuit.status as unknown as { increment(property: string): void }).increment(what)
  }

  function enter(state: BreakerState): void {
    epoch++
    entered[state]++
    consecutive = started = passed = 0
    onChange(state, isFollowing)
  }

  function settle(outcome: Outcome, isSlow: boolean, culprit?: object): void {
    if (circuit.halfOpen) {
      if (outcome === 'failure' || isSlow) circuit.open()
      else if (++passed === trials) circuit.close()
      return
    }
    if (outcome === 'success') consecutive = 0
    else if (outcome === 'failure') {
      if (consecutive++ === 0) suspect = culprit
      else if (suspect !== culprit) suspect = undefined
    }
    if (
      (outcome === 'failure' && ((consecutive >= failures && suspect === undefined) || rateExceeded())) ||
      (isSlow && slowExceeded())
    )
      circuit.open()
  }

  /** Asked before the failure at hand reaches opossum's counts, hence the ones. */
  function rateExceeded(): boolean {
    if (rate === undefined) return false
    const stats = circuit.stats
    const total = stats.successes + stats.failures + 1
    return total >= rate.volume && (stats.failures + 1) / total >= rate.share
  }

  /** Of all calls that were settled, refused requests too: a slow 404 is slow. The one at hand is not counted yet. */
  function slowExceeded(): boolean {
    if (slow === undefined) return false
    const stats = circuit.stats
    return stats.fires >= slow.volume && (stats.timeouts + 1) / stats.fires >= slow.share
  }
}
