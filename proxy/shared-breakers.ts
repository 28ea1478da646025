import { createHash } from 'node:crypto'
import type { Channel } from '../supervisor-channel.ts'
import {
  type BreakerChange,
  type BreakerHalfOpen,
  type BreakerMessage,
  type BreakerOutcomes,
  type BreakersQuery,
  MAX_ENDPOINT
} from './breaker-messages.ts'
import type { Breaker, Outcome } from './breaker-types.ts'
import { addCounts, type OutcomeCounts } from './outcome-window.ts'

/**
 * Lets breakers of several workers count, open and close together. A worker sends what its breaker has learned to the
 * supervisor, which sends it to the others (cluster/breaker-relay.ts). No call waits for that, and nothing is sent while
 * all calls succeed. Times are of the machine's monotonic clock (machine-clock.ts).
 */
export interface Sharing {
  /** Lets the breaker count together with all that have joined under the same name. */
  join(name: string, breaker: Breaker): void
  close(): void
}

/** Messages with outcomes in `PERIOD` ms. Further outcomes are sent as one message at its end. */
const BURST = 16
/** Milliseconds. */
const PERIOD = 100
/** Messages that the supervisor has not received yet. Beyond, outcomes are added up here. */
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
        halfOpenChanged: (openedAt, started, passed) =>
          send({ type: 'half-open', key, openedAt, started, passed }),
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
    else if (type === 'half-open') own.breaker.hearHalfOpen(message as BreakerHalfOpen)
  }

  /**
   * Ignores changes of others until the supervisor has confirmed this process's own last change, which comes after
   * them.
   */
  function followChange(own: { breaker: Breaker; unconfirmed: number }, message: BreakerChange): void {
    if (message.isOwn) own.unconfirmed--
    if (own.unconfirmed === 0) own.breaker.follow(message.openedAt, message.at)
  }

  function send(message: BreakerMessage | BreakersQuery, onFailure = () => {}): void {
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
