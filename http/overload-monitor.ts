import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { FastifyInstance } from 'fastify'
import { appState } from '../app-state.ts'
import type { Priority } from '../schemas/options/overload.ts'

/** Measures how late the event loop is, once for all scopes of an app. */
export interface OverloadMonitor {
  readonly maxEventLoopDelay: number
  /** 0: nothing is rejected; 1: low priority, 2: normal too, 3: everything. */
  readonly level: number
  /** Rejected requests since the start. */
  readonly shed: Record<Priority, number>
  /** Returns true, and counts the request, if requests of this priority are rejected now. */
  tryReject(priority: Priority): boolean
}

/** Resolution of the samples and their period, in ms. */
const RESOLUTION = 20
const PERIOD = 250

const ORDER: Record<Priority, number> = { low: 0, normal: 1, high: 2 }

interface Holder {
  monitor?: OverloadMonitor
}

/** Returns the app's monitor. Undefined unless the overload plugin is registered. */
export function overloadMonitor(app: FastifyInstance): OverloadMonitor | undefined {
  return appState<Holder>(app, 'overload', () => ({})).monitor
}

/** Starts the app's monitor, unless it runs. It stops when the app closes. */
export function startOverloadMonitor(app: FastifyInstance, maxEventLoopDelay: number): OverloadMonitor {
  const holder = appState<Holder>(app, 'overload', () => ({}))
  if (holder.monitor !== undefined) return holder.monitor
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION })
  const shed: Record<Priority, number> = { low: 0, normal: 0, high: 0 }
  let level = 0
  delays.enable()
  const timer = setInterval(() => {
    // A blocked event loop takes no samples either.
    if (delays.count === 0) return
    const delay = delayOf(delays)
    delays.reset()
    const next = nextLevel(level, delay, maxEventLoopDelay)
    if (next !== level) app.log.warn({ level: next, delay: Math.round(delay) }, 'overload level changed')
    level = next
  }, PERIOD).unref()
  app.addHook('onClose', async () => {
    clearInterval(timer)
    delays.disable()
  })

  holder.monitor = {
    maxEventLoopDelay,
    shed,
    get level() {
      return level
    },
    tryReject(priority) {
      if (level <= ORDER[priority]) return false
      shed[priority]++
      return true
    }
  }
  return holder.monitor
}

/**
 * Returns the ms for which a request that comes at a random moment finds the event loop blocked. Samples are weighted by
 * their length: otherwise a hundred short ones hide the long one that everybody waited for. A timer is late by its
 * resolution at best.
 */
function delayOf({ mean, stddev }: { mean: number; stddev: number }): number {
  return Math.max(0, (mean + stddev ** 2 / mean) / 1e6 - RESOLUTION)
}

/**
 * Returns the next level. It rises at once to what the delay asks for, and falls by one when the delay is below half of
 * the level's own threshold.
 */
export function nextLevel(level: number, delay: number, max: number): number {
  let next = level
  while (next < 3 && delay >= max * 2 ** next) next++
  return next === level && level > 0 && delay < (max * 2 ** (level - 1)) / 2 ? level - 1 : next
}
