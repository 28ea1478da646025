import { createHash } from 'node:crypto'
import Type, { type Static } from 'typebox'
import type { Channel } from '../supervisor-channel.ts'
import type { Breaker, Outcome } from './breaker.ts'
import { addCounts, type OutcomeCounts } from './outcome-window.ts'

export type { Channel }

/**
 * Breakers of several workers that count together, and open and close together. A worker tells the supervisor what its
 * breaker has learned, and the supervisor tells the others; its end is cluster/breakers.ts. No call waits for any of this,
 * and while all is well nothing is sent. Times are of the machine's monotonic clock (clock.ts).
 */
export interface Sharing {
  /** Has the breaker count together with all that have joined under the same name. */
  join(name: string, breaker: Breaker): void
  close(): void
}

/** Sends what a breaker has learned to those of other processes. */
export interface BreakerPeers {
  /** The breaker opened at `openedAt`, or closed (0). `at`: when. */
  changed(openedAt: number, at: number): void
  /** A call ended. `isUrgent`: it may decide something; otherwise it is sent with others. */
  settled(at: number, outcome: Outcome, isSlow: boolean, endpoint: unknown, isUrgent: boolean): void
  /** A call ended well at this time, and has been counted. */
  succeeded(at: number): void
  /** Changes of the numbers of trials that started and passed since it opened. */
  tried(openedAt: number, started: number, passed: number): void
  /** Drops what has not been sent yet. */
  forget(): void
}

/** Characters of an endpoint's URL. */
const MAX_ENDPOINT = 4_096
const Key = Type.String({ maxLength: 43 })
const Count = Type.Integer({ minimum: 0 })

/** A breaker opened, or closed: 0. `isOwn`: the receiver said so itself. All workers get changes in the same order. */
export const BreakerChange = Type.Object({
  type: Type.Literal('breaker'),
  key: Key,
  openedAt: Type.Number({ minimum: 0 }),
  /** When it changed. */
  at: Type.Number(),
  isOwn: Type.Optional(Type.Boolean())
})
export type BreakerChange = Static<typeof BreakerChange>

/** Calls that ended while the breaker was closed. */
export const BreakerOutcomes = Type.Object({
  type: Type.Literal('outcomes'),
  key: Key,
  /** When the first of them ended. */
  since: Type.Number(),
  /** When each that failed did, and at which endpoint of several: ''. */
  failures: Type.Array(Type.Tuple([Type.Number(), Type.String({ maxLength: MAX_ENDPOINT })]), {
    maxItems: 1_024
  }),
  /** When the last success ended; 0: there was none. */
  successAt: Type.Number(),
  counts: Type.Object({ calls: Count, successes: Count, failures: Count, slow: Count })
})
export type BreakerOutcomes = Static<typeof BreakerOutcomes>
export type HeardOutcomes = Omit<BreakerOutcomes, 'type' | 'key'>

/** Changes of the numbers of trials. `openedAt`: of which time that it was open. */
export const BreakerTrials = Type.Object({
  type: Type.Literal('trials'),
  key: Key,
  openedAt: Type.Number(),
  started: Type.Integer({ minimum: -1, maximum: 1 }),
  passed: Type.Integer({ minimum: 0, maximum: 1 })
})
export type BreakerTrials = Static<typeof BreakerTrials>
export type HeardTrials = Omit<BreakerTrials, 'type' | 'key'>

/** Sent by a worker that starts, to learn the state of all breakers. */
export interface BreakersAsked {
  type: 'breakers'
}

export type BreakerMessage = BreakerChange | BreakerOutcomes | BreakerTrials

/** Messages of outcomes in `PERIOD` ms; what comes beyond goes as one at its end. */
const BURST = 16
/** Milliseconds. */
const PERIOD = 100
/** Messages that the supervisor has not taken yet; beyond, outcomes are added up here. */
const MAX_UNSENT = 64
const MAX_FAILURES = 256

export function createSharing(channel: Channel): Sharing {
  const joined = new Map<string, { breaker: Breaker; outcomes: OutcomesToSend; unconfirmed: number }>()
  let periodStartedAt = 0
  let sentInPeriod = 0
  let unsent = 0
  let timer: NodeJS.Timeout | undefined
  channel.on('message', receive)

  return {
    join(name, breaker) {
      const key = createHash('sha256').update(name).digest('base64url')
      const own = { breaker, outcomes: new OutcomesToSend(key), unconfirmed: 0 }
      const isFirst = joined.size === 0
      joined.set(key, own)
      breaker.share({
        changed(openedAt, at) {
          own.unconfirmed++
          send({ type: 'breaker', key, openedAt, at }, () => own.unconfirmed--)
        },
        settled(at, outcome, isSlow, endpoint, isUrgent) {
          own.outcomes.add(at, outcome, isSlow, endpoint)
          schedule(isUrgent)
        },
        succeeded(at) {
          own.outcomes.succeed(at)
          schedule(true)
        },
        tried: (openedAt, started, passed) => send({ type: 'trials', key, openedAt, started, passed }),
        forget: () => own.outcomes.clear()
      })
      // The reply comes before any connection does.
      if (isFirst) send({ type: 'breakers' })
    },
    close() {
      clearTimeout(timer)
      channel.off('message', receive)
    }
  }

  function schedule(isUrgent: boolean): void {
    if (isUrgent && mayFlush()) flush()
    else timer ??= setTimeout(flush, PERIOD).unref()
  }

  function mayFlush(): boolean {
    const now = performance.now()
    if (now - periodStartedAt >= PERIOD) {
      periodStartedAt = now
      sentInPeriod = 0
    }
    return sentInPeriod++ < BURST && unsent < MAX_UNSENT
  }

  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    if (unsent >= MAX_UNSENT) {
      timer = setTimeout(flush, PERIOD).unref()
      return
    }
    for (const { outcomes } of joined.values()) {
      const message = outcomes.take()
      if (message !== undefined) send(message)
    }
  }

  function receive(message: unknown): void {
    const { type, key = '' } = (message ?? {}) as Partial<BreakerMessage>
    const own = joined.get(key)
    if (own === undefined) return
    if (type === 'breaker') followChange(own, message as BreakerChange)
    else if (type === 'outcomes') own.breaker.hear(message as BreakerOutcomes)
    else if (type === 'trials') own.breaker.hearTrials(message as BreakerTrials)
  }

  /**
   * Ignores changes of others until the supervisor has confirmed this process's own last change, which comes after
   * them.
   */
  function followChange(own: { breaker: Breaker; unconfirmed: number }, message: BreakerChange): void {
    if (message.isOwn) own.unconfirmed--
    if (own.unconfirmed === 0) own.breaker.follow(message.openedAt, message.at)
  }

  function send(message: BreakerMessage | BreakersAsked, onFailure = () => {}): void {
    if (channel.send === undefined) {
      onFailure()
      return
    }
    unsent++
    channel.send(message, undefined, undefined, error => {
      unsent--
      if (error) onFailure()
    })
  }
}

/** Outcomes of one upstream that have not been sent yet. */
class OutcomesToSend {
  #key: string
  #failures: [number, string][] = []
  #since = 0
  #successAt = 0
  #counts: OutcomeCounts = { calls: 0, successes: 0, failures: 0, slow: 0 }

  constructor(key: string) {
    this.#key = key
  }

  add(at: number, outcome: Outcome, isSlow: boolean, endpoint: unknown): void {
    const isFailure = outcome === 'failure'
    const isSuccess = outcome === 'success'
    if (this.#since === 0) this.#since = at
    if (isFailure && this.#failures.length < MAX_FAILURES)
      this.#failures.push([at, typeof endpoint === 'string' ? endpoint.slice(0, MAX_ENDPOINT) : ''])
    if (isSuccess) this.succeed(at)
    addCounts(this.#counts, {
      calls: 1,
      successes: isSuccess ? 1 : 0,
      failures: isFailure ? 1 : 0,
      slow: isSlow ? 1 : 0
    })
  }

  succeed(at: number): void {
    if (this.#since === 0) this.#since = at
    this.#successAt = Math.max(this.#successAt, at)
  }

  take(): BreakerOutcomes | undefined {
    if (this.#since === 0) return undefined
    const message: BreakerOutcomes = {
      type: 'outcomes',
      key: this.#key,
      since: this.#since,
      failures: this.#failures,
      successAt: this.#successAt,
      counts: this.#counts
    }
    this.clear()
    return message
  }

  clear(): void {
    this.#failures = []
    this.#since = this.#successAt = 0
    this.#counts = { calls: 0, successes: 0, failures: 0, slow: 0 }
  }
}
