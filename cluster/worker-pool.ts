import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { type BackoffOptions, backoff } from './backoff.ts'
import type { CrashStatus } from './cluster-types.ts'
import { differingFile } from './loaded-files.ts'
import type { Settings } from './messages.ts'
import type { WorkerProcess } from './worker-process.ts'

/** The workers of one generation that serve, each in its place; and those of earlier ones, until they have drained. */
export interface Pool {
  readonly generation: number
  /** All that run, the oldest first. */
  workers(): WorkerProcess[]
  crashes(): CrashStatus
  /**
   * A next generation, which takes the place of the one before as soon as all of it is ready and `accept` has not thrown.
   * @throws why not; the one before has stayed.
   */
  replace(accept: (settings: Settings) => Promise<void>, atOnce: boolean): Promise<void>
  /** Resolves once no worker of an earlier generation is left. */
  settled(): Promise<unknown>
  /** Drains all of them. True if none had to be killed. */
  drain(): Promise<boolean>
  kill(): void
}

export interface PoolOptions {
  size: number
  backoff: BackoffOptions
  /** Milliseconds that a worker has to run for its crash to be the first. */
  stableAfter: number
  /** Milliseconds that new workers take connections beside those whose place they take. */
  joinFor: number
  start(generation: number, onFailing: (reason: string) => void): WorkerProcess
  /** Workers have come or gone. */
  onChange(): void
  log(): FastifyBaseLogger
}

interface Place {
  worker: WorkerProcess
  /** By `performance.now()`. */
  filledAt: number
  failures: number
  timer: NodeJS.Timeout | undefined
  nextStartAt: number | undefined
}

/** Milliseconds beyond its drain after which a worker that should have ended is killed. */
const GRACE = 2_000

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
  let places: Place[] = []
  let timeout = 0
  let isEnding = false
  let count = 0
  let last: CrashStatus['last']

  return {
    get generation() {
      return generation
    },
    workers: () => [...running],
    crashes: () => ({ count, last, nextStartAt: nextStartAt() }),
    replace,
    settled: () =>
      Promise.all([...running].filter(({ state }) => state === 'draining').map(({ ended }) => ended)),
    async drain() {
      isEnding = true
      for (const { timer } of places) clearTimeout(timer)
      const killed = await Promise.all([...running].map(worker => retire(worker)))
      return !killed.includes(true)
    },
    kill() {
      isEnding = true
      for (const worker of running) worker.kill()
    }
  }

  async function replace(accept: (settings: Settings) => Promise<void>, atOnce: boolean): Promise<void> {
    const next: Place[] = []
    let settings: Settings | undefined
    try {
      // One after the other they leave the others most of the machine.
      while (next.length < size) {
        next.push(newPlace(generation + 1))
        if (!atOnce) settings = await next.at(-1)?.worker.ready
      }
      ;[settings] = await Promise.all(next.map(({ worker }) => worker.ready))
      const gone = next.find(({ worker }) => worker.hasEnded)
      if (gone !== undefined) throw new Error(`the worker did not stay: ${await gone.worker.ended}`)
      for (const { worker } of next) {
        const file = differingFile((next[0] as Place).worker.edition, worker.edition)
        if (file !== undefined) throw new Error(`${file} was changed while the workers started`)
      }
      if (isEnding) throw new Error('the gateway stops')
      await accept(settings as Settings)
    } catch (error) {
      for (const { worker } of next) worker.kill()
      await Promise.all(next.map(({ worker }) => worker.ended))
      throw error
    }
    const before = places
    generation++
    timeout = (settings as Settings).drain.timeout
    places = next
    for (const place of next)
      if (place.worker.hasEnded) crash(place, 'it ended before it served')
      else place.worker.state = 'ready'
    onChange()
    // At first they are slow: beside the others they get no more than they can take.
    if (before.length > 0) await sleep(joinFor)
    if (isEnding) return
    for (const { worker, timer } of before) {
      clearTimeout(timer)
      if (worker.state === 'starting') worker.kill()
      else retire(worker)
    }
  }

  function newPlace(of: number): Place {
    const place = { failures: 0, timer: undefined, nextStartAt: undefined } as unknown as Place
    fill(place, of)
    return place
  }

  function fill(place: Place, of: number): WorkerProcess {
    const worker = start(of, reason => crash(place, reason))
    place.worker = worker
    place.filledAt = performance.now()
    running.add(worker)
    worker.ended.then(reason => {
      running.delete(worker)
      onChange()
      if (reason !== undefined && place.worker === worker && worker.state !== 'draining') crash(place, reason)
    })
    return worker
  }

  /** Of a generation that does not serve yet it is for `replace` to see. */
  function crash(place: Place, reason: string): void {
    const { worker } = place
    if (isEnding || !places.includes(place)) return
    const hasServed = worker.state === 'ready'
    worker.state = 'draining'
    if (hasServed && performance.now() - place.filledAt >= stableAfter) place.failures = 0
    place.failures++
    const wait = backoff(place.failures, times)
    count++
    last = { at: Date.now(), pid: worker.pid, reason }
    log().error(
      { worker: worker.id, workerPid: worker.pid, reason, wait: Math.round(wait) },
      'worker crashed'
    )
    if (!worker.hasEnded) retire(worker, reason)
    place.nextStartAt = Date.now() + wait
    place.timer = setTimeout(restart, wait, place)
    onChange()
  }

  async function restart(place: Place): Promise<void> {
    place.timer = place.nextStartAt = undefined
    let worker: WorkerProcess
    try {
      worker = fill(place, generation)
    } catch (error) {
      // Nothing has started: there is no memory for it, say.
      return crash(place, (error as Error).message)
    }
    try {
      await worker.ready
      if (isEnding || !places.includes(place)) return void worker.kill()
      // What has not been asked for by a reload serves only if nothing else does.
      const sibling = places.find(({ worker }) => worker.state === 'ready')?.worker
      const file = sibling && differingFile(sibling.edition, worker.edition)
      if (file !== undefined) return crash(place, `${file} is not what the others run: it takes a reload`)
      worker.state = 'ready'
      log().info({ worker: worker.id, workerPid: worker.pid }, 'worker replaced')
      onChange()
    } catch {
      // Its end is seen, and said, like any other.
    }
  }

  /** Resolves to true if it had to be killed. `known`: the reason for it that has been logged. */
  async function retire(worker: WorkerProcess, known?: string): Promise<boolean> {
    let isKilled = false
    if (worker.state === 'starting') worker.kill()
    else worker.drain()
    const timer = setTimeout(() => {
      isKilled = true
      log().error({ worker: worker.id, workerPid: worker.pid }, 'worker killed: it did not end')
      worker.kill()
    }, timeout + GRACE)
    const reason = await worker.ended
    clearTimeout(timer)
    if (reason !== undefined && reason !== known)
      log().error({ worker: worker.id, workerPid: worker.pid, reason }, 'worker killed while it drained')
    return isKilled || reason !== undefined
  }

  function nextStartAt(): number | undefined {
    const times = places.flatMap(({ nextStartAt }) => nextStartAt ?? [])
    return times.length === 0 ? undefined : Math.min(...times)
  }
}
