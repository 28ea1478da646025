import type { Failure } from '../http/cause.ts'
import type { BreakerOptions } from '../schemas/options/upstreams.ts'
import { BreakerHistory } from './breaker-history.ts'
import type { Breaker, BreakerPeers, BreakerState, OpeningCause, Outcome, Permit } from './breaker-types.ts'
import { FailureRun } from './failure-run.ts'
import { machineNow } from './machine-clock.ts'
import { createOpossumState } from './opossum-state.ts'
import { addCounts, type OutcomeCounts, OutcomeWindow } from './outcome-window.ts'

/** Milliseconds after which half-open requests without a result give their places to others, unless `resetTimeout` is shorter. */
const MAX_HALF_OPEN_TIME = 10_000
/** Seconds: an operator may end the order early. */
const MAX_FORCED_RETRY = 60

/**
 * Creates a breaker. opossum keeps the state and the reset timer (opossum-state.ts); Sluice decides what counts, and counts
 * it together with the breakers of other workers.
 *
 * @param onChange called with each new state; `isFollowing` if another worker's breaker caused it; `cause` why it opened
 * @param now milliseconds of a monotonic clock that all processes share
 */
export function createBreaker(
  name: string,
  options: Omit<BreakerOptions, 'shared'>,
  onChange: (state: BreakerState, isFollowing: boolean, cause?: OpeningCause) => void,
  now: () => number = machineNow
): Breaker {
  const { failures, rate, slow, resetTimeout, halfOpenRequests } = options
  const circuit = createOpossumState(name, resetTimeout, state => {
    if (state === 'open') {
      openedAt = now()
      started = passed = 0
    }
    enter(state)
  })
  const halfOpenTime = Math.min(resetTimeout, MAX_HALF_OPEN_TIME)
  const window = rate?.window ?? 10_000
  /** Calls of this process, for operators. */
  const seen = new OutcomeWindow(window)
  /** Calls of all processes since the breaker closed, for the decision. */
  const counted = rate || slow ? new OutcomeWindow(window) : undefined
  const run = new FailureRun()
  const history = new BreakerHistory()
  let peers: BreakerPeers | undefined
  let permit: Permit = 0
  let firstPermit: Permit = 0
  let changedAt = Number.NEGATIVE_INFINITY
  let openedAt = 0
  let succeededAt = 0
  /** Half-open requests of all processes since the breaker opened: in the current round, and passed in all rounds. */
  let started = 0
  let passed = 0
  let startedAt = 0
  let rejected = 0
  let isFollowing = false
  let forcedUntil: number | undefined
  let openingCause: OpeningCause | undefined
  let slowTotal = 0
  const entered = { open: 0, 'half-open': 0, closed: 0 }

  return {
    admit() {
      if (forcedUntil !== undefined) {
        rejected++
        return undefined
      }
      if (circuit.isClosed) return permit
      if (circuit.isHalfOpen) {
        if (started >= halfOpenRequests && now() - startedAt >= halfOpenTime) {
          permit++
          started = 0
        }
        if (started < halfOpenRequests) {
          started++
          startedAt = now()
          peers?.halfOpenChanged(openedAt, 1, 0)
          return permit
        }
      }
      rejected++
      return undefined
    },
    report(of, outcome, ms = 0, endpoint, failure) {
      if (outcome !== 'neutral') return record(of, outcome, ms, endpoint, failure)
      if (of !== permit || !circuit.isHalfOpen) return
      started--
      peers?.halfOpenChanged(openedAt, -1, 0)
    },
    pass(of, ms = 0) {
      record(of, 'success', ms)
    },
    isHalfOpenRequest: of => circuit.isHalfOpen && of >= firstPermit,
    follow(since, at = now()) {
      const before = permit
      isFollowing = true
      if (since === 0) circuit.close()
      else if (!circuit.isOpen) {
        circuit.open(since + resetTimeout - now())
        openedAt = since
      }
      isFollowing = false
      if (permit !== before) changedAt = Math.min(changedAt, at)
    },
    share(others) {
      peers = others
    },
    hear({ since, failures: heard, successAt, counts }) {
      if (!circuit.isClosed || since < changedAt) return
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
    hearHalfOpen({ openedAt: of, started: more, passed: good }) {
      if (circuit.isClosed || of !== openedAt) return
      started = Math.max(0, started + more)
      if (more > 0) startedAt = now()
      passed += good
      if (circuit.isHalfOpen && passed >= halfOpenRequests) circuit.close()
    },
    force(until) {
      const wasForced = forcedUntil !== undefined
      forcedUntil = until
      if (wasForced !== (until !== undefined)) history.add(this.state, 'operator')
    },
    get isForced() {
      return forcedUntil !== undefined
    },
    reset() {
      seen.clear()
      if (!circuit.isClosed) return circuit.close()
      permit = firstPermit = permit + 1
      run.clear()
      counted?.clear()
      peers?.forget()
      changedAt = now()
      // The supervisor then forgets its counts too.
      peers?.changed(0, changedAt)
    },
    retryAfter() {
      if (forcedUntil !== undefined)
        return Math.min(MAX_FORCED_RETRY, Math.max(1, Math.ceil((forcedUntil - Date.now()) / 1_000)))
      return circuit.isOpen ? Math.max(1, Math.ceil((openedAt + resetTimeout - now()) / 1000)) : 1
    },
    get state() {
      if (forcedUntil !== undefined) return 'open'
      return circuit.isClosed ? 'closed' : circuit.isOpen ? 'open' : 'half-open'
    },
    counts() {
      return {
        ...seen.total(now()),
        rejected,
        opened: entered.open,
        halfOpened: entered['half-open'],
        closed: entered.closed,
        slowTotal
      }
    },
    times() {
      const reopensAt = circuit.isOpen ? Date.now() + openedAt + resetTimeout - now() : undefined
      return history.times(forcedUntil ?? reopensAt)
    },
    close() {
      circuit.shutdown()
    }
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
    history.add(state, openingCause)
    onChange(state, isFollowing, openingCause)
    openingCause = undefined
  }

  function record(
    of: Permit,
    outcome: 'success' | 'failure' | 'answered',
    ms: number,
    endpoint?: unknown,
    failure?: Failure
  ) {
    const at = now()
    const isSlow = slow !== undefined && ms >= slow.threshold
    if (isSlow) slowTotal++
    add(seen.at(at), outcome, isSlow)
    if (of < firstPermit) return
    if (circuit.isHalfOpen) settleHalfOpen(outcome, isSlow, failure)
    else if (circuit.isClosed) settle(at, outcome, isSlow, endpoint, failure)
  }

  function settleHalfOpen(outcome: Outcome, isSlow: boolean, failure?: Failure): void {
    if (outcome === 'failure' || isSlow) open(outcome === 'failure' ? failure?.cause : 'slow-calls')
    else {
      peers?.halfOpenChanged(openedAt, 0, 1)
      if (++passed >= halfOpenRequests) circuit.close()
    }
  }

  function settle(
    at: number,
    outcome: Outcome,
    isSlow: boolean,
    endpoint?: unknown,
    failure?: Failure
  ): void {
    const endsRun = outcome === 'success' && !run.isEmpty
    const isFailure = outcome === 'failure'
    if (counted) add(counted.at(at), outcome, isSlow)
    if (isFailure) run.fail(at, endpoint)
    else if (outcome === 'success') {
      succeededAt = at
      run.succeed(at)
    }
    if (isFailure || isSlow) openIfDue(isFailure, isSlow, failure)
    if (circuit.isClosed && (isFailure || isSlow || endsRun || counted))
      peers?.settled(at, outcome, isSlow, endpoint, isFailure || isSlow || endsRun)
  }

  /** `failure`: the last one, unless it was of another process. */
  function openIfDue(hasFailed: boolean, hasBeenSlow: boolean, failure?: Failure): void {
    if (hasFailed && (run.reaches(failures) || rateExceeded())) open(failure?.cause)
    else if (hasBeenSlow && slowExceeded()) open('slow-calls')
  }

  function open(cause: OpeningCause | undefined): void {
    openingCause = cause
    circuit.open()
  }

  function rateExceeded(): boolean {
    if (rate === undefined || counted === undefined) return false
    const { successes, failures } = counted.total(now())
    const total = successes + failures
    return total >= rate.minimumCalls && failures / total >= rate.ratio
  }

  /** True if too many calls were slow. All settled calls count: a slow 404 is slow too. */
  function slowExceeded(): boolean {
    if (slow === undefined || counted === undefined) return false
    const { calls, slow: late } = counted.total(now())
    return calls >= slow.minimumCalls && late / calls >= slow.ratio
  }
}

function add(counts: OutcomeCounts, outcome: Outcome, isSlow: boolean): void {
  counts.calls++
  if (outcome === 'success') counts.successes++
  else if (outcome === 'failure') counts.failures++
  if (isSlow) counts.slow++
}
