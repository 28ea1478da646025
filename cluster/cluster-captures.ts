import { randomUUID } from 'node:crypto'
import { type CaptureDescription, shownMatch } from '../admin/recorder-routes.ts'
import type { CaptureOptions, CaptureState } from '../observe/recorder/captures.ts'
import type { Cluster, ClusterWorker } from './cluster-types.ts'
import { watchWorkers } from './watch-workers.ts'
import { ask, read, type WorkerResponse } from './worker-requests.ts'

/** A capture in all workers, including those that start while it is active. */
export interface ClusterCapture {
  id: string
  options: CaptureOptions
  startedAt: number
  endsAt: number
  /** `performance.now()`, since the wall clock may be set back. */
  dueAt: number
  state: CaptureState
  /** The capture's id in each worker; undefined while the worker is asked, or if it rejected the capture. */
  parts: Map<number, string | undefined>
}

export interface ClusterCaptures {
  /** Resolves when all workers have been asked; undefined if there are too many captures. */
  start(options: CaptureOptions): Promise<StartedCapture | undefined>
  list(): ClusterCapture[]
  find(id: string): ClusterCapture | undefined
  /** Returns the sum of the workers' descriptions. */
  describe(capture: ClusterCapture, parts: CaptureDescription[]): CaptureDescription
  remove(capture: ClusterCapture): void
}

export interface StartedCapture {
  capture: ClusterCapture
  responses: WorkerResponse[]
  /** Workers that have not responded; they are asked again. */
  missing: ClusterWorker[]
}

/** Limit of captures, the same as in a worker. */
const MAX_CAPTURES = 16
/** ms. Workers reject shorter captures. */
const SHORTEST = 1_000

export function createClusterCaptures(cluster: Pick<Cluster, 'workers'>): ClusterCaptures {
  const all: ClusterCapture[] = []
  let stop: (() => void) | undefined

  const captures: ClusterCaptures = {
    async start(options) {
      expire()
      if (all.length >= MAX_CAPTURES) {
        // Replace the oldest capture that has ended.
        const ended = all.find(({ state }) => state !== 'active')
        if (ended === undefined) return undefined
        captures.remove(ended)
      }
      const startedAt = Date.now()
      const capture: ClusterCapture = {
        id: randomUUID(),
        options,
        startedAt,
        endsAt: startedAt + options.ttl,
        dueAt: performance.now() + options.ttl,
        state: 'active',
        parts: new Map()
      }
      all.push(capture)
      const settled = await Promise.all(cluster.workers().map(worker => join(capture, worker)))
      stop ??= watchWorkers(cluster, joinAll)
      return {
        capture,
        responses: settled.filter(response => response !== undefined),
        missing: cluster
          .workers()
          .filter(
            ({ id, state }) => (state === 'ready' || state === 'unresponsive') && !capture.parts.has(id)
          )
      }
    },
    list() {
      expire()
      return all
    },
    find: id => captures.list().find(capture => capture.id === id),
    describe(capture, parts) {
      const states = parts.map(({ state }) => state)
      if (capture.state === 'active' && states.length > 0 && !states.includes('active'))
        capture.state = states.find(state => state === 'full') ?? (states[0] as CaptureState)
      const { id, state, startedAt, endsAt, options } = capture
      return {
        id,
        state,
        startedAt: new Date(startedAt).toISOString(),
        endsAt: new Date(endsAt).toISOString(),
        match: shownMatch(options),
        taken: parts.reduce((sum, { taken }) => sum + taken, 0),
        bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0)
      }
    },
    remove(capture) {
      const at = all.indexOf(capture)
      if (at !== -1) all.splice(at, 1)
      expire()
    }
  }
  return captures

  function joinAll(worker: ClusterWorker): void {
    expire()
    for (const capture of all) if (capture.state === 'active') join(capture, worker)
  }

  /** Starts the capture in a worker. Resolves to undefined if the worker does not respond, or need not be asked. */
  async function join(capture: ClusterCapture, worker: ClusterWorker): Promise<WorkerResponse | undefined> {
    const { options, dueAt, parts } = capture
    const ttl = Math.min(options.ttl, Math.ceil(dueAt - performance.now()))
    if (parts.has(worker.id) || worker.state === 'draining' || ttl < SHORTEST) return undefined
    parts.set(worker.id, undefined)
    try {
      const response = await ask(worker, '/captures', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ...options, ttl })
      })
      if (response.status !== 201) return response
      const { id } = read<CaptureDescription>(response)
      parts.set(worker.id, id)
      // The capture was removed while the worker was asked.
      if (!all.includes(capture)) await ask(worker, `/captures/${id}`, { method: 'DELETE' })
      return response
    } catch {
      parts.delete(worker.id)
      return undefined
    }
  }

  function expire(): void {
    const running = new Set(cluster.workers().map(({ id }) => id))
    for (const capture of all) {
      if (capture.state === 'active' && performance.now() >= capture.dueAt) capture.state = 'expired'
      for (const id of capture.parts.keys()) if (!running.has(id)) capture.parts.delete(id)
    }
    if (all.some(({ state }) => state === 'active')) return
    stop?.()
    stop = undefined
  }
}
