import { createHash } from 'node:crypto'
import Type, { type Static } from 'typebox'
import type { Channel } from '../rate-limit/shared.ts'
import type { Breaker, BreakerState } from './breaker.ts'

export type { Channel }

/**
 * Breakers that open and close together in all workers: one that changes says so to the supervisor, who passes it on to
 * all, the one that has said it included, so that all hear the same in the same order. Trials are each worker's own, and
 * the first to be through with them speaks for all. Its end is cluster/breakers.ts. No call waits for any of this.
 */
export interface Sharing {
  /** `key`: the same in all that are to go together. Returns what a change is told to. */
  join(key: string, breaker: Breaker): (state: BreakerState) => void
  close(): void
}

/** Of a breaker that has opened, in epoch ms, or closed: 0. */
export const BreakerChange = Type.Object({
  type: Type.Literal('breaker'),
  key: Type.String({ maxLength: 43 }),
  openedAt: Type.Integer({ minimum: 0 })
})
export type BreakerChange = Static<typeof BreakerChange>

/** What a worker asks when it starts: which are open. */
export interface BreakersAsked {
  type: 'breakers'
}

export function createSharing(channel: Channel): Sharing {
  const joined = new Map<string, Breaker>()
  channel.on('message', receive)

  return {
    join(name, breaker) {
      const key = createHash('sha256').update(name).digest('base64url')
      // What has been asked is answered before any connection comes.
      if (joined.size === 0) send({ type: 'breakers' })
      joined.set(key, breaker)
      return state => send({ type: 'breaker', key, openedAt: state === 'open' ? Date.now() : 0 })
    },
    close() {
      channel.off('message', receive)
    }
  }

  function receive(message: unknown): void {
    const { type, key, openedAt } = (message ?? {}) as Partial<BreakerChange>
    if (type === 'breaker') joined.get(key as string)?.follow(openedAt as number)
  }

  function send(message: BreakerChange | BreakersAsked): void {
    channel.send?.(message, undefined, undefined, () => {})
  }
}
