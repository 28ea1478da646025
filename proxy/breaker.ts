import CircuitBreaker from 'opossum'
import type { BreakerOptions } from '../schemas/options/upstreams.ts'
import { FailureRun } from './failure-run.ts'
import { machineNow } from './machine-clock.ts'
import { addCounts, type OutcomeCounts, OutcomeWindow } from './outcome-window.ts'
import type { BreakerPeers, HeardOutcomes, HeardTrials } from './shared-breakers.ts'

/**
 * Circuit breaker for one upstream.
 *
 * opossum keeps the state and the reset timer. Sluice decides what counts, and counts it, together with the breakers of
 * other workers: `circuit.fire()` would count rejected calls as failures and filtered errors as successes, and would
 * close on a success that started before the breaker opened.
 */
export interface Breaker {
  /** Returns a permit, or undefined while calls are rejected. Report every permit exactly once. */
  admit(): Permit | undefined
  /**
   * Records the outcome of a call.
   * @param ms milliseconds to the response's headers, for `slow`
   * @param endpoint the one of several that failed, such as its URL; failures in a row of one alone eject it instead
   */
  report(permit: Permit, outcome: Outcome, ms?: number, endpoint?: unknown): void
  /** Records the success of a response that may never end. Report its permit afterwards only if it fails. */
  pass(permit: Permit, ms?: number): void
  /** True if the permit is of a trial that can still pass. */
  isTrial(permit: Permit): boolean
  /** Opens as another process' breaker did at `openedAt` (of the same clock), or closes at 0. `at`: when that changed. */
  follow(openedAt: number, at?: number): void
  /** Counts together with the breakers of other processes from here on. */
  share(peers: BreakerPeers): void
  /** Counts outcomes of other processes. */
  hear(outcomes: HeardOutcomes): void
  /** Counts trials of other processes. */
  hearTrials(trials: HeardTrials): void
  /** Seconds until a rejected call is worth repeating. */
  retryAfter(): number
  readonly state: BreakerState
  counts(): BreakerCounts
  close(): void
}

/**
 * - `success`, `failure`: the upstream did, or did not do, its work.
 * - `answered`: a 4xx. Changes nothing while closed; a trial passes by it, or a service that is only asked for what it
 *   lacks would stay half-open.
 * - `neutral`: the upstream is not to blame (client gone, rejected here, too little time). Frees the trial's place.
 */
export type Outcome = 'success' | 'failure' | 'answered' | 'neutral'
export type BreakerState = 'closed' | 'open' | 'half-open'
/** Grows with each change of state and each round of trials: results of calls from before a change are not settled. */
export type Permit = number

/** `calls`, `successes`, `failures`, `slow`: within the rolling window. All others: since the start. */
export interface BreakerCounts extends OutcomeCounts {
  refused: number
  opened: number
  halfOpened: number
  closed: number
  slowTotal: number
}

/** Milliseconds after which trials without a result give their places to others, unless `resetTimeout` is shorter. */
const MAX_TRIAL_TIME = 10_000
/** Milliseconds by which two processes may read the same clock differently. */
const MAX_SKEW = 1_000

/** `now`: milliseconds, of a monotonic clock that all processes share. */
export function createBreaker(
  name: string,
  options: Omit<BreakerOptions, 'shared'>,
  onChange: (state: BreakerState, isFollowing: boolean) => void,
  now: () => number = machineNow
): Breaker {
  const { failures, rate, slow, resetTimeout, trials } = options
  const circuit = new CircuitBreaker(async () => {}, {
    name,
    timeout: false,
    resetTimeout,
    rollingPercentilesEnabled: false,
    enableSnapshots: false
  })
  const trialTime = Math.min(resetTimeout, MAX_TRIAL_TIME)
  const window = rate?.window ?? 10_000
  /** Calls of this process, for operators. */
  const seen = new OutcomeWindow(window)
  /** Calls of all processes since the breaker closed, for the decision. */
  const counted = rate || slow ? new OutcomeWindow(window) : undefined
  const run = new FailureRun()
  let peers: BreakerPeers | undefined
  let permit: Permit = 0
  let firstPermit: Permit = 0
  let changedAt = Number.NEGATIVE_INFINITY
  let openedAt = 0
  let succeededAt = 0
  /** Trials of all processes, since the breaker opened: in the current round, and passed in all rounds. */
  let started = 0
  let passed = 0
  let startedAt = 0
  let refused = 0
  let isFollowing = false
  let slowTotal = 0
  const entered = { open: 0, 'half-open': 0, closed: 0 }

  circuit.on('open', () => {
    openedAt = now()
    started = passed = 0
    enter('open')
  })
  circuit.on('halfOpen', () => enter('half-open'))
  circuit.on('close', () => enter('closed'))

  return {
    admit() {
      if (circuit.closed) return permit
      if (circuit.halfOpen) {
        if (started >= trials && now() - startedAt >= trialTime) {
          permit++
          started = 0
        }
        if (started < trials) {
          started++
          startedAt = now()
          peers?.tried(openedAt, 1, 0)
          return permit
        }
      }
      refused++
      return undefined
    },
    report(of, outcome, ms = 0, endpoint) {
      if (outcome !== 'neutral') return record(of, outcome, ms, endpoint)
      if (of !== permit || !circuit.halfOpen) return
      started--
      peers?.tried(openedAt, -1, 0)
    },
    pass(of, ms = 0) {
      record(of, 'success', ms)
    },
    isTrial: of => circuit.halfOpen && of >= firstPermit,
    follow(since, at = now()) {
      const before = permit
      isFollowing = true
      if (since === 0) circuit.close()
      else if (!circuit.opened) openAsOf(since)
      isFollowing = false
      if (permit !== before) changedAt = Math.min(changedAt, at)
    },
    share(others) {
      peers = others
    },
    hear({ since, failures: heard, successAt, counts }) {
      if (!circuit.closed || since < changedAt) return
      for (const [at, endpoint] of heard) run.fail(at, endpoint === '' ? undefined : endpoint)
      if (successAt > 0) run.succeed(successAt)
      // The others do not know of this process' success unless they are told: no call is reported while all is well.
      if (heard.some(([at]) => at <= succeededAt)) {
        run.succeed(succeededAt)
        peers?.succeeded(succeededAt)
      }
      if (counted) addCounts(counted.at(now()), counts)
      if (heard.length > 0 || counts.slow > 0) openIfDue(heard.length > 0, counts.slow > 0)
    },
    hearTrials({ openedAt: of, started: more, passed: good }) {
      if (circuit.closed || of !== openedAt) return
      started = Math.max(0, started + more)
      if (more > 0) startedAt = now()
      passed += good
      if (circuit.halfOpen && passed >= trials) circuit.close()
    },
    retryAfter() {
      return circuit.opened ? Math.max(1, Math.ceil((openedAt + resetTimeout - now()) / 1000)) : 1
    },
    get state() {
      return circuit.closed ? 'closed' : circuit.opened ? 'open' : 'half-open'
    },
    counts() {
      return {
        ...seen.total(now()),
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

  /** Opens for the rest of the reset timeout. A time far in the future is of another clock: then nothing is left. */
  function openAsOf(since: number): void {
    const { options } = circuit as unknown as { options: { resetTimeout: number } }
    const left = since + resetTimeout - now()
    options.resetTimeout = left > resetTimeout + MAX_SKEW ? 1 : Math.min(resetTimeout, Math.max(1, left))
    circuit.open()
    options.resetTimeout = resetTimeout
    openedAt = since
  }

  function enter(state: BreakerState): void {
    firstPermit = ++permit
    changedAt = now()
    entered[state]++
    run.clear()
    // Failures from before it opened must not open it again.
    counted?.clear()
    peers?.forget()
    if (!isFollowing && state !== 'half-open') peers?.changed(state === 'open' ? openedAt : 0, changedAt)
    onChange(state, isFollowing)
  }

  function record(of: Permit, outcome: 'success' | 'failure' | 'answered', ms: number, endpoint?: unknown) {
    const at = now()
    const isSlow = slow !== undefined && ms >= slow.threshold
    if (isSlow) slowTotal++
    add(seen.at(at), outcome, isSlow)
    if (of < firstPermit) return
    if (circuit.halfOpen) settleTrial(outcome, isSlow)
    else if (circuit.closed) settle(at, outcome, isSlow, endpoint)
  }

  function settleTrial(outcome: Outcome, isSlow: boolean): void {
    if (outcome === 'failure' || isSlow) circuit.open()
    else {
      peers?.tried(openedAt, 0, 1)
      if (++passed >= trials) circuit.close()
    }
  }

  function settle(at: number, outcome: Outcome, isSlow: boolean, endpoint?: unknown): void {
    const endsRun = outcome === 'success' && !run.isEmpty
    const isFailure = outcome === 'failure'
    if (counted) add(counted.at(at), outcome, isSlow)
    if (isFailure) run.fail(at, endpoint)
    else if (outcome === 'success') {
      succeededAt = at
      run.succeed(at)
    }
    if (isFailure || isSlow) openIfDue(isFailure, isSlow)
    if (circuit.closed && (isFailure || isSlow || endsRun || counted))
      peers?.settled(at, outcome, isSlow, endpoint, isFailure || isSlow || endsRun)
  }

  function openIfDue(hasFailed: boolean, hasBeenSlow: boolean): void {
    if ((hasFailed && (run.reaches(failures) || rateExceeded())) || (hasBeenSlow && slowExceeded()))
      circuit.open()
  }

  function rateExceeded(): boolean {
    if (rate === undefined || counted === undefined) return false
    const { successes, failures } = counted.total(now())
    const total = successes + failures
    return total >= rate.volume && failures / total >= rate.share
  }

  /** True if too many calls were slow. All settled calls count: a slow 404 is slow too. */
  function slowExceeded(): boolean {
    if (slow === undefined || counted === undefined) return false
    const { calls, slow: late } = counted.total(now())
    return calls >= slow.volume && late / calls >= slow.share
  }
}

function add(counts: OutcomeCounts, outcome: Outcome, isSlow: boolean): void {
  counts.calls++
  if (outcome === 'success') counts.successes++
  else if (outcome === 'failure') counts.failures++
  if (isSlow) counts.slow++
}
