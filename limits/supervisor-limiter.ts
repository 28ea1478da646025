import { createHash } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import Type, { type Static } from 'typebox'
import { LimitOptions } from '../schemas/options/rate-limit.ts'
import { type Limiter, passDecision, type Tier } from './limiter.ts'
import { createRemoteLimiter, type RemoteLimiter } from './remote-limiter.ts'
import type { Standby } from './standby.ts'

/**
 * Limits in the memory of the process that supervises this one and its siblings, over the channel between them: all
 * workers count together, and what has been counted outlives each of them. Its end is cluster/counters.ts. Checks of
 * one turn of the event loop go as one message.
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

/** The channel to the supervisor, such as `process`. */
export interface Channel {
  send?(
    message: object,
    handle: undefined,
    options: undefined,
    callback: (error: Error | null) => void
  ): unknown
  on(event: 'message', listener: (message: unknown) => void): unknown
  off(event: 'message', listener: (message: unknown) => void): unknown
}

/** Milliseconds. The channel loses nothing, so that this is how long the supervisor may be busy with something else. */
const TIMEOUT = 1_000
/** Checks in a message. */
export const MAX_BATCH = 256
/** Messages. */
const MAX_WAITING = 1_024
/** Characters. */
export const MAX_KEY = 128

interface Asked {
  key: string
  tier: Tier
  cost: number
  callback: Parameters<Limiter['check']>[3]
}

/** What a worker asks: for each check its key, the index of its tier and its cost. */
export const Checks = Type.Object({
  type: Type.Literal('checks'),
  number: Type.Integer(),
  tiers: Type.Array(
    Type.Object({
      name: Type.String({ maxLength: 64 }),
      limits: Type.Array(LimitOptions, { minItems: 1, maxItems: 8 })
    }),
    { maxItems: MAX_BATCH }
  ),
  checks: Type.Array(
    Type.Tuple([
      Type.String({ maxLength: MAX_KEY }),
      Type.Integer({ minimum: 0 }),
      Type.Integer({ minimum: 1, maximum: 1_000_000_000 })
    ]),
    { maxItems: MAX_BATCH }
  )
})
export type Checks = Static<typeof Checks>

/** What it is answered: allowed (1), remaining and reset of each limit of each check in turn. */
export interface Decisions {
  type: 'decisions'
  number: number
  states: number[]
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
