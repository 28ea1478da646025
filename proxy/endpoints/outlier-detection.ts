import type { EjectionOptions } from '../../schemas/options/endpoints.ts'
import type { Outcome } from '../breaker-types.ts'

/**
 * Passive health checks, after Envoy's outlier detection: an endpoint that fails calls is ejected for a time that grows
 * with each ejection. Has no timer: the caller checks `due` before it picks an endpoint.
 */
export interface OutlierDetection<Member extends { outlier: Outlier }> {
  report(member: Member, outcome: Outcome): void
  /** Time at which the next ejected endpoint returns; Infinity if none is ejected. */
  readonly due: number
  /** Returns the endpoints that are due to rotation. */
  returnDue(): void
  /** Returns an endpoint early, or drops one that was removed. */
  release(member: Member): void
}

/** State of one endpoint. Times are those of the injected clock, in ms. */
export class Outlier {
  /** Time of its return; 0 while it is in rotation. */
  returnsAt = 0
  /** Since the start. */
  ejections = 0
  failuresInARow = 0
  /** Factor of the next ejection's duration. */
  repeats = 0
  returnedAt = 0
  /** The current window and its counters. */
  window = 0
  calls = 0
  failures = 0
}

export function createOutlierDetection<Member extends { outlier: Outlier }>(
  options: EjectionOptions,
  members: () => readonly Member[],
  onChange: (member: Member, ms: number) => void,
  now: () => number
): OutlierDetection<Member> {
  const { failures, rate, time, maxTime, maxRatio } = options
  let due = Number.POSITIVE_INFINITY

  return {
    get due() {
      return due
    },
    report(member, outcome) {
      const { outlier } = member
      if (outcome === 'neutral' || outlier.returnsAt !== 0) return
      count(outlier, outcome === 'failure')
      if (outcome !== 'failure') outlier.failuresInARow = 0
      else if (++outlier.failuresInARow >= failures || isWorse(outlier)) eject(member)
    },
    returnDue() {
      const time = now()
      for (const member of members())
        if (member.outlier.returnsAt !== 0 && member.outlier.returnsAt <= time) returnToRotation(member)
      updateDue()
    },
    release(member) {
      if (member.outlier.returnsAt === 0) return
      returnToRotation(member)
      updateDue()
    }
  }

  function count(outlier: Outlier, isFailure: boolean): void {
    const current = Math.floor(now() / rate.window)
    if (outlier.window !== current) {
      outlier.window = current
      outlier.calls = outlier.failures = 0
    }
    outlier.calls++
    if (isFailure) outlier.failures++
  }

  /** Compares the error rate with that of all other endpoints: a fault of all is not a fault of this one. */
  function isWorse(outlier: Outlier): boolean {
    if (outlier.calls < rate.minimumCalls) return false
    let calls = 0
    let failed = 0
    for (const { outlier: other } of members()) {
      if (other === outlier || other.window !== outlier.window) continue
      calls += other.calls
      failed += other.failures
    }
    return calls >= rate.minimumCalls && outlier.failures / outlier.calls - failed / calls >= rate.margin
  }

  function eject(member: Member): void {
    const all = members()
    const ejected = all.filter(({ outlier }) => outlier.returnsAt !== 0).length
    if (ejected + 1 > all.length * maxRatio) return
    const { outlier } = member
    // The factor decreases by one for every `time` in rotation.
    if (outlier.ejections > 0)
      outlier.repeats = Math.max(0, outlier.repeats - Math.floor((now() - outlier.returnedAt) / time))
    outlier.repeats++
    const ms = Math.min(time * outlier.repeats, Math.max(time, maxTime))
    outlier.ejections++
    outlier.returnsAt = now() + ms
    due = Math.min(due, outlier.returnsAt)
    onChange(member, ms)
  }

  function returnToRotation(member: Member): void {
    const { outlier } = member
    outlier.returnsAt = 0
    outlier.returnedAt = now()
    outlier.failuresInARow = outlier.calls = outlier.failures = 0
    onChange(member, 0)
  }

  function updateDue(): void {
    due = Number.POSITIVE_INFINITY
    for (const { outlier } of members()) if (outlier.returnsAt !== 0) due = Math.min(due, outlier.returnsAt)
  }
}
