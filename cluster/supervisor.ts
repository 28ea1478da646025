import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import pino from 'pino'
import { createLogger } from '../observe/logger.ts'
import type { BackoffOptions } from './backoff.ts'
import { createBreakers } from './breaker-relay.ts'
import type { Cluster, ClusterStatus, WorkerState } from './cluster-types.ts'
import { maxDescriptors } from './descriptors.ts'
import { createDistributor } from './distributor.ts'
import { createKept } from './ended-workers.ts'
import { createFront } from './gateway-listener.ts'
import { type Counters, createCounters } from './limit-counters.ts'
import type { Settings } from './messages.ts'
import { createReload } from './reload.ts'
import type { Inherited } from './sockets.ts'
import { knownFlags, WORKER_ENV, WORKER_FLAGS } from './v8-flags.ts'
import { createPool } from './worker-pool.ts'
import { startWorker } from './worker-process.ts'

export interface SupervisorOptions {
  /** Of the config, which only workers read. */
  file: string
  workers: number
  /** Milliseconds for a worker to get ready. */
  startTimeout: number
  /** Milliseconds that the warm-up of a worker may take that starts beside others; 0 skips it. */
  warmUp: number
  /** Milliseconds that a worker's event loop may stand still before it is replaced; 0: for ever. */
  hangTimeout?: number
  inherited?: Inherited
  backoff?: BackoffOptions
  /** Milliseconds that a worker has to run for its crash to be the first in a row. */
  stableAfter?: number
  /** Milliseconds that new workers take connections beside those whose place they take. */
  joinFor?: number
}

export interface Supervisor extends Cluster {
  /** Drains and ends everything. True if nothing had to be cut off. */
  stop(): Promise<boolean>
  /**
   * Starts the program anew on the same sockets, then stops as by `stop`, without a delay. False if the other did not
   * start, and this one goes on.
   */
  handOver(): Promise<boolean>
  /** Ends everything at once. */
  kill(): void
  log(): FastifyBaseLogger
}

/** Characters. */
const MAX_DIRECTORY = 60
/** Milliseconds in which no worker has taken a connection that waits, when the gateway stops. */
const PATIENCE = 1_000
/** Connections that wait for a worker, at most. */
const MAX_WAITING = 4_096

/**
 * Starts the workers, then listens for them. Of the config it only knows what they tell it.
 * @throws what keeps it from starting, for people; nothing is left running then.
 */
export async function startSupervisor(options: SupervisorOptions): Promise<Supervisor> {
  const { file, workers: size, startTimeout, warmUp, inherited = {} } = options
  const { backoff = { base: 500, max: 30_000 }, stableAfter = 10_000, joinFor = 1_000 } = options
  const { hangTimeout = 10_000 } = options
  // For its owner alone; a socket's path has to be short (unix(7)).
  const directory = mkdtempSync(join(tmpdir().length > MAX_DIRECTORY ? '/tmp' : tmpdir(), 'sluice-'))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  const execArgv = await knownFlags(WORKER_FLAGS)
  const startedAt = Date.now()
  let lastId = 0
  let isStopping = false
  let isHandingOver = false
  let settings: Settings | undefined
  let counters: Counters | undefined
  let log: FastifyBaseLogger = pino({ level: 'silent' })

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
        isYielding: status().state === 'ready' || (settings === undefined && inherited.gateway !== undefined),
        onTaken: id => distributor.taken(id),
        onMissed: id => distributor.missed(id),
        onMessage: (message, reply) =>
          counters?.answer(message, reply) || breakers.take(message, reply, id) || kept.take(id, message),
        onFailing,
        onResponsive: () => distributor.changed()
      })
    },
    onChange: () => distributor.changed(),
    log: () => log
  })
  const breakers = createBreakers((message, except) => {
    for (const worker of pool.workers()) if (worker.id !== except) worker.tell(message)
  })
  const distributor = createDistributor(pool.workers, waitingPlaces(), () => log)
  const reload = createReload({
    replace: async () => {
      await pool.settled()
      await pool.replace(accept, false)
    },
    generation: () => pool.generation,
    log: () => log
  })
  const cluster: Cluster = { workers: () => status().workers, status, reload: reload.run }
  const kept = createKept(cluster)
  const front = createFront(cluster, kept, () => log, inherited, distributor.accept)

  try {
    await pool.replace(accept, inherited.gateway === undefined)
  } catch (error) {
    front.close()
    throw error
  }
  return { ...cluster, stop: () => stop(settings?.drain.delay), handOver, kill, log: () => log }

  /** Before anything has changed: what it throws leaves all as it was. */
  async function accept(next: Settings): Promise<void> {
    const logBefore = log
    if (next.logLevel !== settings?.logLevel)
      log = createLogger({ level: next.logLevel }) ?? pino({ level: 'silent' })
    try {
      await front.accept(next)
    } catch (error) {
      log = logBefore
      throw error
    }
    settings = next
    counters ??= createCounters(next.keys)
  }

  async function handOver(): Promise<boolean> {
    if (isHandingOver || isStopping) return false
    isHandingOver = true
    try {
      const successor = await front.handOver()
      log.info({ successor }, 'the gateway is handed over')
    } catch (error) {
      log.error({ err: error }, 'not handed over: the gateway goes on')
      isHandingOver = false
      return false
    }
    // See the pool: both take connections for a while.
    await sleep(joinFor)
    // Operators are to hear of the successor, not of what ends.
    front.closeAdmin()
    await stop(0)
    return true
  }

  async function stop(delay = 0): Promise<boolean> {
    isStopping = true
    await sleep(delay)
    await front.closeGateway()
    await distributor.flushed(PATIENCE, settings?.drain.timeout ?? 0)
    const isGentle = await pool.drain()
    front.close()
    return isGentle
  }

  function kill(): void {
    isStopping = true
    front.close()
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

/** Half of the descriptors stay for others: without any, no worker could be started that takes what waits. */
function waitingPlaces(): number {
  return Math.min(MAX_WAITING, Math.floor(maxDescriptors() / 2))
}
