import { createHash } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { Channel } from '../supervisor-channel.ts'
import { passDecision, type Tier } from './limiter.ts'
import { type Check, createRemoteLimiter, type RemoteLimiter } from './remote-limiter.ts'
import type { Standby } from './standby.ts'
import { type Checks, type Decisions, MAX_KEY } from './supervisor-messages.ts'

/**
 * Counts limits in the supervisor (cluster/limit-counters.ts) over the channel to it: all workers count together, and
 * counters outlive a worker. Checks that are asked together are one message.
 *
 * @param timeout milliseconds; the channel loses nothing, so this is how long the supervisor may be busy
 */
export function createSupervisorLimiter(
  channel: Channel,
  log: FastifyBaseLogger,
  timeout = TIMEOUT,
  standby?: Standby
): RemoteLimiter {
  const waiting = new Map<number, Check[]>()
  let last = 0
  channel.on('message', receive)
  const remote = createRemoteLimiter('the supervisor', ask, timeout, log, standby && { standby })

  return {
    check: remote.check,
    state: remote.state,
    close() {
      channel.off('message', receive)
      remote.close()
    }
  }

  function ask(checks: Check[]): void {
    const number = ++last
    waiting.set(number, checks)
    // Such an old check has timed out long ago.
    waiting.delete(number - MAX_WAITING)
    if (channel.send === undefined) {
      settle(number, new Error('there is no supervisor'))
      return
    }
    channel.send(toMessage(number, checks), undefined, undefined, error => {
      if (error !== null) settle(number, error)
    })
  }

  function receive(message: unknown): void {
    const { type, number, states } = (message ?? {}) as Partial<Decisions>
    if (type === 'decisions') settle(number as number, null, states)
  }

  function settle(number: number, error: Error | null, states: number[] = []): void {
    const checks = waiting.get(number) ?? []
    waiting.delete(number)
    let from = 0
    for (const { tier, callback } of checks) {
      const to = from + tier.limits.length * 3
      if (error !== null) callback(error)
      else if (states.length < to) callback(new Error('the reply of the supervisor is incomplete'))
      else passDecision(states.slice(from, to), tier, callback)
      from = to
    }
  }
}

/** Milliseconds. */
const TIMEOUT = 1_000
/** Messages without a response. */
const MAX_WAITING = 1_024

function toMessage(number: number, asked: Check[]): Checks {
  const indices = new Map<Tier, number>()
  const checks = asked.map(({ key, tier, cost }): Checks['checks'][number] => {
    const index = indices.get(tier) ?? indices.size
    indices.set(tier, index)
    return [key.length > MAX_KEY ? digest(key) : key, index, cost]
  })
  const tiers = [...indices.keys()].map(({ name, limits }) => ({
    name,
    limits: limits.map(({ limit, window, algorithm }) => ({ limit, window, algorithm }))
  }))
  return { type: 'checks', number, tiers, checks }
}

function digest(key: string): string {
  return createHash('sha256').update(key).digest('base64url')
}
