import type { EjectionOptions } from '../../schemas/options/endpoints.ts'
import type { Outcome } from '../breaker-types.ts'

/**
 * Passive health, after Envoy's outlier detection: an endpoint that fails calls is ejected for a while, each time for
 * longer, and comes back by itself. Nothing here has a timer: whoever picks asks for what is due.
 */
export interface Ejection<Member extends { outlier: Outlier }> {
  report(member: Member, outcome: Outcome): void
  /** When the first of the ejected comes back; Infinity if none is ejected. */
  readonly due: number
  /** Brings back those whose time has come. */
  returnDue(): void
  /** Brings one back before its time, or forgets one that has left. */
  release(member: Member): void
}

/** What is known of one endpoint. Times are of the injected clock, in ms. */
export class Outlier {
  /** When it comes back; 0 while it is in rotation. */
  returnsAt = 0
  /** Since the start. */
  ejections = 0
  failuresInARow = 0
  /** By how much the next ejection is longer than the first. */
  repeats = 0
  returnedAt = 0
  /** Of the current window. */
  window = 0
  calls = 0
  failures = 0
}

export function createEjection<Member extends { outlier: Outlier }>(
  options: EjectionOptions,
  members: () => readonly Member[],
  onChange: (member: Member, ms: number) => void,
  now: () => number
): Ejection<Member> {
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
        if (member.outlier.returnsAt !== 0 && member.outlier.returnsAt <= time) comeBack(member)
      learnDue()
    },
    release(member) {
      if (member.outlier.returnsAt === 0) return
      comeBack(member)
      learnDue()
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

  /** Than the others together: what all of them fail at is not this one's fault. */
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
    // One step back for every `time` that it has stayed in rotation.
    if (outlier.ejections > 0)
      outlier.repeats = Math.max(0, outlier.repeats - Math.floor((now() - outlier.returnedAt) / time))
    outlier.repeats++
    const ms = Math.min(time * outlier.repeats, Math.max(time, maxTime))
    outlier.ejections++
    outlier.returnsAt = now() + ms
    due = Math.min(due, outlier.returnsAt)
    onChange(member, ms)
  }

  function comeBack(member: Member): void {
    const { outlier } = member
    outlier.returnsAt = 0
    outlier.returnedAt = now()
    outlier.failuresInARow = outlier.calls = outlier.failures = 0
    onChange(member, 0)
  }

  function learnDue(): void {
    due = Number.POSITIVE_INFINITY
    for (const { outlier } of members()) if (outlier.returnsAt !== 0) due = Math.min(due, outlier.returnsAt)
  }
}
