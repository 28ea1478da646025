import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { createLogger } from '../observe/logger.ts'
import type { BackoffOptions } from './backoff.ts'
import { createBreakerRelay } from './breaker-relay.ts'
import { createClusterListeners, type Urls } from './cluster-listeners.ts'
import type { Cluster, ClusterStatus, WorkerState } from './cluster-types.ts'
import { maxDescriptors } from './descriptors.ts'
import type { DevMode } from './dev-mode.ts'
import { createDistributor } from './distributor.ts'
import { changesBetween } from './generation-changes.ts'
import { createLimitCounters, type LimitCounters } from './limit-counters.ts'
import type { LoadedFiles } from './loaded-files.ts'
import { createLogLevel } from './log-level.ts'
import type { Settings } from './messages.ts'
import { createReload } from './reload.ts'
import { createRetainedState } from './retained-state.ts'
import { createSocketDirectory } from './socket-directory.ts'
import type { Inherited } from './sockets.ts'
import { knownFlags, WORKER_ENV, WORKER_FLAGS } from './v8-flags.ts'
import { createPool } from './worker-pool.ts'
import { startWorker, type WorkerProcess } from './worker-process.ts'

export interface SupervisorOptions {
  /** Path of the config, which only workers load. */
  file: string
  workers: number
  /** ms for a worker to get ready. */
  startTimeout: number
  /** ms for the warm-up of a worker that starts while others serve; 0 skips it. */
  warmUp: number
  /** ms that a worker's event loop may be blocked before it is replaced; 0: no limit. */
  hangTimeout?: number
  inherited?: Inherited
  backoff?: BackoffOptions
  /** ms after which a crash no longer counts as one in a row. */
  stableAfter?: number
  /** ms for which new workers get connections together with those that they replace. */
  joinFor?: number
  dev?: DevMode
}

export interface Supervisor extends Cluster {
  /** Drains and ends everything. Resolves to true if no connection had to be cut. */
  stop(): Promise<boolean>
  /**
   * Starts a new process of this program on the same sockets, then stops like `stop`, without a delay. Resolves to false
   * if the new process did not start; this one continues then.
   */
  handOver(): Promise<boolean>
  /** Ends everything at once. */
  kill(): void
  log(): FastifyBaseLogger
  /** URLs on which it listens. */
  urls(): Urls
  /** Files that the current workers have loaded. */
  loadedFiles(): LoadedFiles
}

/** ms without an acknowledged connection after which a stopping gateway drops those that wait. */
const PATIENCE = 1_000
/** Connections that may wait for a worker. */
const MAX_WAITING = 4_096

/**
 * Starts the workers, then listens. Learns the listening addresses from the workers, since only they load the config.
 * @throws if the gateway cannot start; the message is for operators, and no process is left running
 */
export async function startSupervisor(options: SupervisorOptions): Promise<Supervisor> {
  const { file, workers: size, startTimeout, warmUp, inherited = {} } = options
  const { backoff = { base: 500, max: 30_000 }, stableAfter = 10_000, joinFor = 1_000 } = options
  const { hangTimeout = 10_000, dev } = options
  const directory = createSocketDirectory()
  const execArgv = await knownFlags(WORKER_FLAGS)
  const startedAt = Date.now()
  let lastId = 0
  let isStopping = false
  let isHandingOver = false
  let settings: Settings | undefined
  let counters: LimitCounters | undefined
  // One logger for all levels: the admin app keeps it over a reload.
  const log = createLogger({ level: 'info', format: dev?.log, isOwn: true }) as FastifyBaseLogger
  log.level = 'silent'

  const pool = createPool({
    size,
    backoff,
    stableAfter,
    joinFor,
    start: (generation, onFailing) => {
      const id = ++lastId
      return startWorker({
        id,
        generation,
        file,
        directory,
        execArgv,
        env: WORKER_ENV,
        startTimeout,
        hangTimeout,
        workers: size,
        warmUp,
        dev,
        // A developer waits for the new worker, and nobody for the old one.
        isYielding:
          dev === undefined &&
          (status().state === 'ready' || (settings === undefined && inherited.gateway !== undefined)),
        onAck: id => distributor.ack(id),
        onNack: id => distributor.nack(id),
        onMessage(message, reply) {
          logLevel.greet(message, reply)
          return (
            counters?.reply(message, reply) ||
            breakers.handle(message, reply, id) ||
            retained.take(id, message, reply)
          )
        },
        onFailing,
        onResponsive: () => distributor.workersChanged()
      })
    },
    onChange: () => distributor.workersChanged(),
    log: () => log
  })
  const breakers = createBreakerRelay(broadcast)
  const logLevel = createLogLevel(broadcast, log)
  const distributor = createDistributor(pool.workers, maxWaiting(), () => log)
  const reload = createReload({
    replace: async () => {
      await pool.settled()
      const before = current()
      await pool.replace(accept, false)
      return changesBetween(before, current())
    },
    generation: () => pool.generation,
    log: () => log
  })
  const cluster: Cluster = {
    workers: () => status().workers,
    status,
    reload: reload.run,
    logLevel,
    incidents: () => ({ reloads: reload.records(), crashes: pool.lastCrashes() })
  }
  const retained = createRetainedState(cluster, broadcast, () => log)
  const listeners = createClusterListeners(cluster, retained, () => log, inherited, distributor.accept)

  try {
    await pool.replace(accept, inherited.gateway === undefined)
  } catch (error) {
    listeners.close()
    throw error
  }
  retained.history.start()
  return {
    ...cluster,
    stop: () => stop(settings?.drain.delay),
    handOver,
    kill,
    log: () => log,
    urls: listeners.urls,
    loadedFiles: () => current()?.loadedFiles ?? {}
  }

  /** Returns a worker of the current generation. */
  function current(): WorkerProcess | undefined {
    return pool
      .workers()
      .findLast(({ generation, state }) => generation === pool.generation && state !== 'starting')
  }

  /** Applies the settings of new workers. If it throws, nothing has changed. */
  async function accept(next: Settings): Promise<void> {
    logLevel.configure(next.logLevel)
    try {
      await listeners.accept(next)
    } catch (error) {
      logLevel.configure(settings?.logLevel ?? 'silent')
      throw error
    }
    settings = next
    counters ??= createLimitCounters(next.keys)
  }

  function broadcast(message: object, except?: number): void {
    for (const worker of pool.workers()) if (worker.id !== except) worker.send(message)
  }

  async function handOver(): Promise<boolean> {
    if (isHandingOver || isStopping) return false
    isHandingOver = true
    try {
      const successor = await listeners.handOver()
      log.info({ successor }, 'handed over to a new process')
    } catch (error) {
      log.error({ err: error }, 'not handed over; this process continues')
      isHandingOver = false
      return false
    }
    // As in a reload, both serve for a while.
    await sleep(joinFor)
    // Leave the admin API to the successor.
    listeners.closeAdmin()
    await stop(0)
    return true
  }

  async function stop(delay = 0): Promise<boolean> {
    isStopping = true
    await sleep(delay)
    await listeners.closeGateway()
    await distributor.flush(PATIENCE, settings?.drain.timeout ?? 0)
    const isGentle = await pool.drain()
    listeners.close()
    return isGentle
  }

  function kill(): void {
    isStopping = true
    listeners.close()
    pool.kill()
  }

  function status(): ClusterStatus {
    const workers = pool.workers().map(worker => {
      const { id, pid, generation, state, isResponsive, socket, startedAt, connections } = worker
      const shown = state === 'ready' && !isResponsive ? 'unresponsive' : state
      return { id, pid, generation, state: shown, socket, startedAt, connections }
    }) satisfies ClusterStatus['workers']
    const has = (wanted: WorkerState) => workers.some(({ state }) => state === wanted)
    const state = has('ready') ? 'ready' : has('unresponsive') ? 'unresponsive' : 'starting'
    return {
      pid: process.pid,
      state: isStopping ? 'draining' : state,
      startedAt,
      generation: pool.generation,
      isReloading: reload.isRunning(),
      lastReload: reload.last(),
      crashes: pool.crashes(),
      workers
    }
  }
}

/** Leaves half of the file descriptors for other uses: without any, no worker could be started. */
function maxWaiting(): number {
  return Math.min(MAX_WAITING, Math.floor(maxDescriptors() / 2))
}
