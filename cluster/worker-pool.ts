import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { type BackoffOptions, backoff } from './backoff.ts'
import type { CrashRecord, CrashStatus } from './cluster-types.ts'
import { differingFile } from './loaded-files.ts'
import type { Settings } from './messages.ts'
import type { WorkerProcess } from './worker-process.ts'

/** The slots of the current generation, each with a worker, and workers of earlier generations until they have drained. */
export interface Pool {
  readonly generation: number
  /** Running workers, the oldest first. */
  workers(): WorkerProcess[]
  crashes(): CrashStatus
  /** The latest first. */
  lastCrashes(): CrashRecord[]
  /**
   * Starts the next generation, which replaces the current one when all its workers are ready and `accept` has resolved.
   * @throws if the current generation stays; the message is for operators
   */
  replace(accept: (settings: Settings) => Promise<void>, atOnce: boolean): Promise<void>
  /** Resolves when no worker of an earlier generation is left. */
  settled(): Promise<unknown>
  /** Drains all workers. Resolves to true if none had to be killed. */
  drain(): Promise<boolean>
  kill(): void
}

export interface PoolOptions {
  size: number
  backoff: BackoffOptions
  /** ms after which a crash no longer counts as one in a row. */
  stableAfter: number
  /** ms for which new workers get connections together with those that they replace. */
  joinFor: number
  start(generation: number, onFailing: (reason: string) => void): WorkerProcess
  /** Called when workers start, end or change their state. */
  onChange(): void
  log(): FastifyBaseLogger
}

interface Slot {
  worker: WorkerProcess
  /** `performance.now()`. */
  filledAt: number
  failures: number
  timer: NodeJS.Timeout | undefined
  nextStartAt: number | undefined
}

/** ms after the drain timeout until a worker is killed. */
const GRACE = 2_000
/** Crashes that are remembered. */
const MAX_CRASHES = 20

export function createPool({
  size,
  backoff: times,
  stableAfter,
  joinFor,
  start,
  onChange,
  log
}: PoolOptions): Pool {
  const running = new Set<WorkerProcess>()
  let generation = 0
  let slots: Slot[] = []
  let timeout = 0
  let isEnding = false
  let count = 0
  let last: CrashStatus['last']
  const crashes: CrashRecord[] = []

  return {
    get generation() {
      return generation
    },
    workers: () => [...running],
    crashes: () => ({ count, last, nextStartAt: nextStartAt() }),
    lastCrashes: () => crashes.toReversed(),
    replace,
    settled: () =>
      Promise.all([...running].filter(({ state }) => state === 'draining').map(({ ended }) => ended)),
    async drain() {
      isEnding = true
      for (const { timer } of slots) clearTimeout(timer)
      const killed = await Promise.all([...running].map(worker => retire(worker)))
      return !killed.includes(true)
    },
    kill() {
      isEnding = true
      for (const worker of running) worker.kill()
    }
  }

  async function replace(accept: (settings: Settings) => Promise<void>, atOnce: boolean): Promise<void> {
    const next: Slot[] = []
    let settings: Settings | undefined
    try {
      // One after the other, so that serving workers keep most of the CPU.
      while (next.length < size) {
        next.push(newSlot(generation + 1))
        if (!atOnce) settings = await next.at(-1)?.worker.ready
      }
      ;[settings] = await Promise.all(next.map(({ worker }) => worker.ready))
      const gone = next.find(({ worker }) => worker.hasEnded)
      if (gone !== undefined) throw new Error(`a new worker ended: ${await gone.worker.ended}`)
      for (const { worker } of next) {
        const file = differingFile((next[0] as Slot).worker.loadedFiles, worker.loadedFiles)
        if (file !== undefined) throw new Error(`${file} was changed while the workers started`)
      }
      if (isEnding) throw new Error('the gateway is stopping')
      await accept(settings as Settings)
    } catch (error) {
      for (const { worker } of next) worker.kill()
      await Promise.all(next.map(({ worker }) => worker.ended))
      throw error
    }
    const before = slots
    generation++
    timeout = (settings as Settings).drain.timeout
    slots = next
    for (const slot of next)
      if (slot.worker.hasEnded) crash(slot, 'it ended before it got connections')
      else slot.worker.state = 'ready'
    onChange()
    // New workers are slow at first: together with the old ones they get no more than they can handle.
    if (before.length > 0) await sleep(joinFor)
    if (isEnding) return
    for (const { worker, timer } of before) {
      clearTimeout(timer)
      if (worker.state === 'starting') worker.kill()
      else retire(worker)
    }
  }

  function newSlot(of: number): Slot {
    const slot = { failures: 0, timer: undefined, nextStartAt: undefined } as unknown as Slot
    fill(slot, of)
    return slot
  }

  function fill(slot: Slot, of: number): WorkerProcess {
    const worker = start(of, reason => crash(slot, reason))
    slot.worker = worker
    slot.filledAt = performance.now()
    running.add(worker)
    worker.ended.then(reason => {
      running.delete(worker)
      onChange()
      if (reason !== undefined && slot.worker === worker && worker.state !== 'draining') crash(slot, reason)
    })
    return worker
  }

  /** Ignores workers of a generation that does not serve yet: `replace` handles them. */
  function crash(slot: Slot, reason: string): void {
    const { worker } = slot
    if (isEnding || !slots.includes(slot)) return
    const hasServed = worker.state === 'ready'
    worker.state = 'draining'
    if (hasServed && performance.now() - slot.filledAt >= stableAfter) slot.failures = 0
    slot.failures++
    const wait = backoff(slot.failures, times)
    count++
    last = { at: Date.now(), pid: worker.pid, reason }
    const { id, pid, generation: of } = worker
    crashes.push({ at: new Date().toISOString(), worker: id, pid, generation: of, reason })
    if (crashes.length > MAX_CRASHES) crashes.shift()
    log().error(
      { worker: worker.id, workerPid: worker.pid, reason, wait: Math.round(wait) },
      'worker crashed'
    )
    if (!worker.hasEnded) retire(worker, reason)
    slot.nextStartAt = Date.now() + wait
    slot.timer = setTimeout(restart, wait, slot)
    onChange()
  }

  async function restart(slot: Slot): Promise<void> {
    slot.timer = slot.nextStartAt = undefined
    let worker: WorkerProcess
    try {
      worker = fill(slot, generation)
    } catch (error) {
      // The process could not be started, for lack of memory for example.
      return crash(slot, (error as Error).message)
    }
    try {
      await worker.ready
      if (isEnding || !slots.includes(slot)) return void worker.kill()
      // Changed code must not go live without a reload, unless no worker is left.
      const sibling = slots.find(({ worker }) => worker.state === 'ready')?.worker
      const file = sibling && differingFile(sibling.loadedFiles, worker.loadedFiles)
      if (file !== undefined)
        return crash(slot, `${file} was changed since the other workers started; reload the gateway`)
      worker.state = 'ready'
      log().info({ worker: worker.id, workerPid: worker.pid }, 'worker replaced')
      onChange()
    } catch {
      // The exit handler reports it.
    }
  }

  /**
   * Drains a worker, and kills it after its timeout. Resolves to true if it had to be killed.
   * @param known reason that was already logged
   */
  async function retire(worker: WorkerProcess, known?: string): Promise<boolean> {
    let isKilled = false
    if (worker.state === 'starting') worker.kill()
    else worker.drain()
    const timer = setTimeout(() => {
      isKilled = true
      log().error({ worker: worker.id, workerPid: worker.pid }, 'worker killed: it did not end in time')
      worker.kill()
    }, timeout + GRACE)
    const reason = await worker.ended
    clearTimeout(timer)
    if (reason !== undefined && reason !== known)
      log().error({ worker: worker.id, workerPid: worker.pid, reason }, 'worker ended while draining')
    return isKilled || reason !== undefined
  }

  function nextStartAt(): number | undefined {
    const times = slots.flatMap(({ nextStartAt }) => nextStartAt ?? [])
    return times.length === 0 ? undefined : Math.min(...times)
  }
}
