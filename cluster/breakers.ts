import { Compile } from 'typebox/compile'
import { BreakerChange, type BreakersAsked } from '../plugins/upstream/shared.ts'

/** The supervisor's end of plugins/upstream/shared.ts: which breakers are open, by what workers have said. */
export interface Breakers {
  /** `reply` goes to the worker that has sent the message. False if it is another message. */
  take(message: unknown, reply: (message: BreakerChange) => void): boolean
}

/** What is open beyond is forgotten, the oldest first. */
const MAX_OPEN = 1_024

/** `tellAll`: all workers. */
export function createBreakers(tellAll: (message: BreakerChange) => void): Breakers {
  const open = new Map<string, BreakerChange>()

  return {
    take(message, reply) {
      const { type } = (message ?? {}) as Partial<BreakerChange | BreakersAsked>
      if (type === 'breakers') {
        for (const change of open.values()) reply(change)
        return true
      }
      if (type !== 'breaker' || !checker.Check(message)) return false
      open.delete(message.key)
      if (message.openedAt > 0) open.set(message.key, message)
      if (open.size > MAX_OPEN) open.delete(open.keys().next().value as string)
      tellAll(message)
      return true
    }
  }
}

const checker = Compile(BreakerChange)
