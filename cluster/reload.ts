import type { FastifyBaseLogger } from 'fastify'
import type { ReloadOutcome } from './cluster-types.ts'

export interface Reload {
  /** See `Cluster.reload`. */
  run(): Promise<ReloadOutcome>
  isRunning(): boolean
  last(): ReloadOutcome | undefined
}

export interface ReloadOptions {
  /** @throws if the old workers stay */
  replace(): Promise<void>
  generation(): number
  log(): FastifyBaseLogger
}

/** Runs one reload at a time. Requests during a reload share one further reload, which reads the files as they are then. */
export function createReload({ replace, generation, log }: ReloadOptions): Reload {
  let running: Promise<ReloadOutcome> | undefined
  let next: Promise<ReloadOutcome> | undefined
  let last: ReloadOutcome | undefined

  return { run, isRunning: () => running !== undefined, last: () => last }

  function run(): Promise<ReloadOutcome> {
    if (running === undefined) {
      running = reload().finally(() => {
        running = undefined
      })
      return running
    }
    next ??= running.then(() => {
      next = undefined
      return run()
    })
    return next
  }

  async function reload(): Promise<ReloadOutcome> {
    const at = Date.now()
    const startedAt = performance.now()
    const reason = await replace().then(
      () => undefined,
      (error: Error) => error.message
    )
    last = {
      outcome: reason === undefined ? 'done' : 'failed',
      reason,
      at,
      duration: Math.round(performance.now() - startedAt),
      generation: generation()
    }
    if (reason === undefined) log().info(last, 'reloaded')
    else log().error(last, 'reload failed; the old workers stay')
    return last
  }
}
