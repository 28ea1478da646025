import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { throttle } from './throttle.ts'
import type { WorkerProcess } from './worker-process.ts'

/**
 * Assigns connections to workers: each to the ready worker with the fewest connections. A connection stays open here until
 * its worker has acknowledged it, so that it can be assigned to another one if the worker ends in between.
 *
 * node:cluster would lose such connections. It also assigns by turns, so that a new worker without connections would get
 * no more than the others.
 */
export interface Distributor {
  accept(connection: Socket): void
  /** The worker owns the connection. */
  ack(id: number): void
  /** The worker could not receive the connection. */
  nack(id: number): void
  /** Assigns again after workers have started, ended or changed their state. */
  workersChanged(): void
  /** Resolves when nothing is waiting, when nothing was acknowledged for `patience` ms, or after `limit` ms. */
  flush(patience: number, limit: number): Promise<void>
}

/** ms for which a worker without file descriptors gets no connections. */
const PAUSE = 1_000

/** @param maxWaiting connections that may wait for a worker; further ones are rejected */
export function createDistributor(
  workers: () => Iterable<WorkerProcess>,
  maxWaiting: number,
  log: () => FastifyBaseLogger
): Distributor {
  const assigned = new Map<number, { connection: Socket; worker: WorkerProcess }>()
  let waiting: Socket[] = []
  let flushes: (() => void)[] = []
  let lastId = 0
  let acknowledged = 0
  const logRejected = throttle(1_000, rejected =>
    log().error({ rejected, waiting: waiting.length }, 'connections rejected: no worker accepts them')
  )

  return {
    accept(connection) {
      connection.on('error', () => {})
      if (waiting.length >= maxWaiting) {
        connection.destroy()
        return logRejected()
      }
      waiting.push(connection)
      assign()
    },
    ack(id) {
      const assignment = assigned.get(id)
      if (assignment === undefined) return
      acknowledged++
      assigned.delete(id)
      assignment.worker.pending = undefined
      // Closes only this process's descriptor; the worker has its own.
      assignment.connection.destroy()
      assign()
    },
    nack(id) {
      const assignment = assigned.get(id)
      if (assignment === undefined) return
      assigned.delete(id)
      const { connection, worker } = assignment
      worker.pending = undefined
      worker.isPaused = true
      setTimeout(() => {
        worker.isPaused = false
        assign()
      }, PAUSE).unref()
      const { id: number, pid, connections } = worker
      log().error(
        { worker: number, workerPid: pid, connections },
        'worker has no file descriptor left; other workers get its connections'
      )
      waiting.unshift(connection)
      assign()
    },
    workersChanged() {
      for (const [id, { connection, worker }] of assigned) {
        if (!worker.hasEnded) continue
        assigned.delete(id)
        waiting.unshift(connection)
      }
      assign()
    },
    async flush(patience, limit) {
      const end = performance.now() + limit
      let before: number
      do {
        before = acknowledged
        const flushed = new Promise<void>(resolve => flushes.push(resolve))
        assign()
        await Promise.race([flushed, sleep(patience)])
      } while (acknowledged > before && isBusy() && performance.now() < end)
    }
  }

  function assign(): void {
    let count = 0
    for (const connection of waiting) {
      const worker = choose()
      if (worker === undefined) break
      count++
      const id = ++lastId
      assigned.set(id, { connection, worker })
      worker.pending = id
      worker.connections++
      worker.assign(id, connection)
    }
    if (count > 0) waiting = waiting.slice(count)
    if (isBusy()) return
    for (const resolve of flushes) resolve()
    flushes = []
  }

  function isBusy(): boolean {
    return waiting.length > 0 || assigned.size > 0
  }

  function choose(): WorkerProcess | undefined {
    let best: WorkerProcess | undefined
    for (const worker of workers())
      if (
        worker.state === 'ready' &&
        worker.isResponsive &&
        worker.pending === undefined &&
        !worker.isPaused &&
        !worker.hasEnded &&
        (best === undefined || worker.connections < best.connections)
      )
        best = worker
    return best
  }
}
