import { createHash } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { Channel } from '../supervisor-channel.ts'
import { type Limiter, passDecision, type Tier } from './limiter.ts'
import { createRemoteLimiter, type RemoteLimiter } from './remote-limiter.ts'
import type { Standby } from './standby.ts'
import { type Checks, type Decisions, MAX_BATCH, MAX_KEY } from './supervisor-messages.ts'

/**
 * Counts in the memory of the supervisor, so that all workers count together and counters outlive each of them. The
 * supervisor's end is cluster/limit-counters.ts. Checks of one turn of the event loop are sent as one message.
 */
export function createSharedLimiter(
  channel: Channel,
  log: FastifyBaseLogger,
  timeout = TIMEOUT,
  standby?: Standby
): RemoteLimiter {
  const waiting = new Map<number, Asked[]>()
  let batch: Asked[] = []
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

  function ask(key: string, tier: Tier, cost: number, callback: Asked['callback']): void {
    if (batch.length === 0) setImmediate(send)
    batch.push({ key: key.length > MAX_KEY ? digest(key) : key, tier, cost, callback })
    if (batch.length === MAX_BATCH) send()
  }

  function send(): void {
    if (batch.length === 0) return
    const asked = batch
    const number = ++last
    batch = []
    waiting.set(number, asked)
    // Who is never answered has been told that it is late long ago.
    waiting.delete(number - MAX_WAITING)
    if (channel.send === undefined) {
      answer(number, new Error('there is no supervisor'))
      return
    }
    channel.send(toChecks(number, asked), undefined, undefined, error => {
      if (error !== null) answer(number, error)
    })
  }

  function receive(message: unknown): void {
    const { type, number, states } = (message ?? {}) as Partial<Decisions>
    if (type === 'decisions') answer(number as number, null, states)
  }

  function answer(number: number, error: Error | null, states: number[] = []): void {
    const asked = waiting.get(number) ?? []
    waiting.delete(number)
    let from = 0
    for (const { tier, callback } of asked) {
      const to = from + tier.limits.length * 3
      if (error !== null) callback(error)
      else if (states.length < to) callback(new Error('the supervisor has not answered all of it'))
      else passDecision(states.slice(from, to), tier, callback)
      from = to
    }
  }
}

/** ms. The channel loses no messages, so this is how long the supervisor may be busy otherwise. */
const TIMEOUT = 1_000
/** Messages without a response. */
const MAX_WAITING = 1_024

interface Asked {
  key: string
  tier: Tier
  cost: number
  callback: Parameters<Limiter['check']>[3]
}

function toChecks(number: number, asked: Asked[]): Checks {
  const indices = new Map<Tier, number>()
  const checks = asked.map(({ key, tier, cost }): Checks['checks'][number] => {
    const index = indices.get(tier) ?? indices.size
    indices.set(tier, index)
    return [key, index, cost]
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
