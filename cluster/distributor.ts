import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { rarely } from './throttle.ts'
import type { WorkerProcess } from './worker-process.ts'

/**
 * Gives connections to workers: each to the one that has the fewest, of those that have taken what they were given. Until
 * a worker has said that a connection is its own it stays ours too, so that one whose worker ends in between goes to
 * another. node:cluster would lose it, and hands out what is new by turns, so that a worker that is new itself, and has
 * nothing yet, would get no more than the others.
 */
export interface Distributor {
  accept(connection: Socket): void
  /** The worker to which it was given has taken it. */
  taken(id: number): void
  /** It has not, and cannot at the moment. */
  missed(id: number): void
  /** A worker is there to be given to, or is no longer. */
  changed(): void
  /** Resolves once nothing waits, or nothing has been taken for `patience` ms, or after `limit` ms. */
  flushed(patience: number, limit: number): Promise<void>
}

/** Milliseconds that a worker without descriptors is given nothing. */
const REST = 1_000

/** `maxWaiting`: connections that wait for a worker; more are refused. */
export function createDistributor(
  workers: () => Iterable<WorkerProcess>,
  maxWaiting: number,
  log: () => FastifyBaseLogger
): Distributor {
  const given = new Map<number, { connection: Socket; worker: WorkerProcess }>()
  let waiting: Socket[] = []
  let flushes: (() => void)[] = []
  let lastId = 0
  let taken = 0
  const sayRefused = rarely(1_000, refused =>
    log().error({ refused, waiting: waiting.length }, 'connections refused: no worker takes them')
  )

  return {
    accept(connection) {
      connection.on('error', () => {})
      if (waiting.length >= maxWaiting) {
        connection.destroy()
        return sayRefused()
      }
      waiting.push(connection)
      give()
    },
    taken(id) {
      const gift = given.get(id)
      if (gift === undefined) return
      taken++
      given.delete(id)
      gift.worker.pending = undefined
      // Closes this process' hold on it, and nothing else.
      gift.connection.destroy()
      give()
    },
    missed(id) {
      const gift = given.get(id)
      if (gift === undefined) return
      given.delete(id)
      const { connection, worker } = gift
      worker.pending = undefined
      worker.isResting = true
      setTimeout(() => {
        worker.isResting = false
        give()
      }, REST).unref()
      const { id: number, pid, connections } = worker
      log().error(
        { worker: number, workerPid: pid, connections },
        'a worker has no descriptor left: others get the connections'
      )
      waiting.unshift(connection)
      give()
    },
    changed() {
      for (const [id, { connection, worker }] of given) {
        if (!worker.hasEnded) continue
        given.delete(id)
        waiting.unshift(connection)
      }
      give()
    },
    async flushed(patience, limit) {
      const end = performance.now() + limit
      let before: number
      do {
        before = taken
        const flushed = new Promise<void>(resolve => flushes.push(resolve))
        give()
        await Promise.race([flushed, sleep(patience)])
      } while (taken > before && isBusy() && performance.now() < end)
    }
  }

  function give(): void {
    let count = 0
    for (const connection of waiting) {
      const worker = choose()
      if (worker === undefined) break
      count++
      const id = ++lastId
      given.set(id, { connection, worker })
      worker.pending = id
      worker.connections++
      worker.give(id, connection)
    }
    if (count > 0) waiting = waiting.slice(count)
    if (isBusy()) return
    for (const resolve of flushes) resolve()
    flushes = []
  }

  function isBusy(): boolean {
    return waiting.length > 0 || given.size > 0
  }

  function choose(): WorkerProcess | undefined {
    let best: WorkerProcess | undefined
    for (const worker of workers())
      if (
        worker.state === 'ready' &&
        worker.isResponsive &&
        worker.pending === undefined &&
        !worker.isResting &&
        !worker.hasEnded &&
        (best === undefined || worker.connections < best.connections)
      )
        best = worker
    return best
  }
}
