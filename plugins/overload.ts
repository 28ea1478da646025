import { monitorEventLoopDelay } from 'node:perf_hooks'
import createError from '@fastify/error'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { ProblemError } from '../http/problem.ts'
import type { OverloadOptions, Priority } from '../schemas/options/overload.ts'

/**
 * Sheds requests while the process cannot keep up: what it still takes it then answers in time. The measure is how late
 * the event loop is. Scopes of low priority are refused from `maxEventLoopDelay` on, normal ones from twice, high ones
 * from four times that; each is taken again once the delay is under half of where it was refused. 503 with
 * `Retry-After`, before token, limits and body are looked at.
 */
async function overload(fastify: FastifyInstance, { maxEventLoopDelay }: OverloadOptions) {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION })
  const shed: Record<Priority, number> = { low: 0, normal: 0, high: 0 }
  let level = 0
  delays.enable()
  const timer = setInterval(() => {
    // A loop that is away has taken no sample either.
    if (delays.count === 0) return
    const delay = delayOf(delays)
    delays.reset()
    const next = nextLevel(level, delay, maxEventLoopDelay)
    if (next !== level) fastify.log.warn({ level: next, delay: Math.round(delay) }, 'overload changed')
    level = next
  }, SAMPLE).unref()
  fastify.addHook('onClose', async () => {
    clearInterval(timer)
    delays.disable()
  })

  fastify.decorate('overload', {
    shed,
    get level() {
      return level
    },
    sheds(priority) {
      if (level <= ORDER[priority]) return false
      shed[priority]++
      return true
    }
  })
}

export default fp(overload, { name: 'sluice-overload', fastify: '5.x' })

/** Has a scope of this priority refuse its requests in its turn. The first of the scope's patterns, but for CORS. */
export const shedding = fp(
  async (scope: FastifyInstance, { priority }: { priority: Priority }) => {
    const { overload } = scope
    if (overload === undefined) return
    scope.addHook('onRequest', (_request, _reply, done) => {
      done(overload.sheds(priority) ? refusal() : undefined)
    })
  },
  { name: 'sluice-shedding', fastify: '5.x' }
)

/** Milliseconds. */
const RESOLUTION = 20
const SAMPLE = 250

const ORDER: Record<Priority, number> = { low: 0, normal: 1, high: 2 }

/**
 * Milliseconds for which the loop is away where a request comes at any moment: samples weighted by how long they are, or
 * a hundred short ones would hide the long one that everybody waited for. They are of a timer, due after its resolution
 * at best.
 */
function delayOf({ mean, stddev }: { mean: number; stddev: number }): number {
  return Math.max(0, (mean + stddev ** 2 / mean) / 1e6 - RESOLUTION)
}

/**
 * How many of the priorities are refused: up at once to what the delay asks for, down one at a time, when it is under
 * half of what that one was refused for.
 */
export function nextLevel(level: number, delay: number, max: number): number {
  let next = level
  while (next < 3 && delay >= max * 2 ** next) next++
  return next === level && level > 0 && delay < (max * 2 ** (level - 1)) / 2 ? level - 1 : next
}

const Overloaded = createError('SLUICE_OVERLOADED', 'The gateway is overloaded', 503, Error, false)

function refusal(): ProblemError {
  const error: ProblemError = new Overloaded()
  error.problem = { retryAfter: 1 }
  error.headers = { 'retry-after': '1' }
  return error
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Only with `overload` in the config. */
    overload?: {
      /** Of each priority, since the start. */
      shed: Readonly<Record<Priority, number>>
      /** 0: nothing is refused; 1: low, 2: normal too, 3: everything. */
      readonly level: number
      sheds(priority: Priority): boolean
    }
  }
}
