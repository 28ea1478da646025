import type { LogLevel } from './log-level.ts'

/** The processes, as the admin API sees them. Times are epoch ms, durations ms. */
export interface Cluster {
  /** Running workers, draining ones included; the oldest first. */
  workers(): ClusterWorker[]
  status(): ClusterStatus
  logLevel: LogLevel
  /**
   * Replaces all workers by new ones that load the config again. Calls during a reload share the next one. Never rejects:
   * a failure is in the outcome, and the old workers stay.
   */
  reload(trigger?: ReloadTrigger): Promise<ReloadOutcome>
  /** The last reloads and crashes, the latest first. */
  incidents(): Incidents
}

export interface ClusterWorker {
  /** 1, 2, …; never reused. */
  id: number
  pid: number
  /** 1 at the start, one more after each reload. */
  generation: number
  state: WorkerState
  /** Path of the Unix socket of its own admin API. */
  socket: string
}

/**
 * - `starting`: gets no connections yet.
 * - `unresponsive`: its event loop is blocked, so it gets no connections.
 * - `draining`: gets no more connections.
 */
export type WorkerState = 'starting' | 'ready' | 'unresponsive' | 'draining'

export interface ClusterStatus {
  pid: number
  /**
   * `ready`: at least one worker gets connections; in all other states `/readyz` is 503. `starting`: no worker is ready
   * yet. `unresponsive`: the event loops of all ready workers are blocked. `draining`: the gateway stops.
   */
  state: WorkerState
  startedAt: number
  generation: number
  isReloading: boolean
  /** Undefined before the first reload. */
  lastReload: ReloadOutcome | undefined
  crashes: CrashStatus
  workers: (ClusterWorker & { startedAt: number; connections: number })[]
}

export interface ReloadOutcome {
  outcome: 'done' | 'failed'
  /** Reason of a failure, as it would be printed at the start. */
  reason: string | undefined
  at: number
  duration: number
  /** The generation that runs now. */
  generation: number
}

/** The request for a reload. */
export interface ReloadTrigger {
  /** `save`: `sluice dev` saw a saved file. */
  by: 'signal' | 'admin' | 'save'
  /** Name of the operator who asked for it. */
  operator?: string | undefined
}

export interface Incidents {
  reloads: ReloadRecord[]
  crashes: CrashRecord[]
}

/** A reload as operators see it. */
export interface ReloadRecord {
  /** ISO instant of its start. */
  at: string
  durationMs: number
  outcome: ReloadOutcome['outcome']
  /** Reason of a failure. */
  reason?: string
  trigger: ReloadTrigger
  /** The generation that ran afterwards. */
  generation: number
  changes: Changes
}

/** Differences of two generations. Without the contents of files and the values of the config. */
export interface Changes {
  /** Files that were loaded as code, packages excluded: changed, new, or no longer loaded. */
  files: string[]
  /** Paths such as `upstreams.orders.url`. */
  config: string[]
}

export interface CrashRecord {
  /** ISO instant. */
  at: string
  worker: number
  pid: number
  generation: number
  reason: string
}

/** Unexpected exits of workers. */
export interface CrashStatus {
  count: number
  last: { at: number; pid: number; reason: string } | undefined
  /** When the next worker will be restarted; undefined if none is missing. */
  nextStartAt: number | undefined
}
