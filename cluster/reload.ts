import type { FastifyBaseLogger } from 'fastify'
import type { Changes, ReloadOutcome, ReloadRecord, ReloadTrigger } from './cluster-types.ts'

export interface Reload {
  /** See `Cluster.reload`. */
  run(trigger?: ReloadTrigger): Promise<ReloadOutcome>
  /** The latest first. */
  records(): ReloadRecord[]
  isRunning(): boolean
  last(): ReloadOutcome | undefined
}

export interface ReloadOptions {
  /**
   * Resolves with what differs between the old and the new workers.
   * @throws if the old workers stay
   */
  replace(): Promise<Changes>
  generation(): number
  log(): FastifyBaseLogger
}

/** Reloads that are remembered. */
const MAX_RECORDS = 20

/** Runs one reload at a time. Requests during a reload share one further reload, which reads the files as they are then. */
export function createReload({ replace, generation, log }: ReloadOptions): Reload {
  let running: Promise<ReloadOutcome> | undefined
  let next: Promise<ReloadOutcome> | undefined
  let last: ReloadOutcome | undefined
  const records: ReloadRecord[] = []

  return {
    run,
    records: () => records.toReversed(),
    isRunning: () => running !== undefined,
    last: () => last
  }

  function run(trigger: ReloadTrigger = { by: 'signal' }): Promise<ReloadOutcome> {
    if (running === undefined) {
      running = reload(trigger).finally(() => {
        running = undefined
      })
      return running
    }
    next ??= running.then(() => {
      next = undefined
      return run(trigger)
    })
    return next
  }

  async function reload(trigger: ReloadTrigger): Promise<ReloadOutcome> {
    const at = Date.now()
    const startedAt = performance.now()
    let changes: Changes = { files: [], config: [] }
    let reason: string | undefined
    try {
      changes = await replace()
    } catch (error) {
      reason = (error as Error).message
    }
    last = {
      outcome: reason === undefined ? 'done' : 'failed',
      reason,
      at,
      duration: Math.round(performance.now() - startedAt),
      generation: generation()
    }
    const { duration: durationMs, outcome } = last
    records.push({
      at: new Date(at).toISOString(),
      durationMs,
      outcome,
      ...(reason !== undefined && { reason }),
      trigger,
      generation: generation(),
      changes
    })
    if (records.length > MAX_RECORDS) records.shift()
    if (reason === undefined) log().info(last, 'reloaded')
    else log().error(last, 'reload failed; the old workers stay')
    return last
  }
}
