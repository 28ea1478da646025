/** What the operators' side may know of the processes, and ask of them. Times are epoch ms, durations ms. */
export interface Cluster {
  /** All that run, draining ones too; the oldest first. */
  workers(): ClusterWorker[]
  status(): ClusterStatus
  /**
   * Replaces every worker by one that has read everything anew. Calls that come while it goes on share the one that
   * follows it. Never rejects: what went wrong is in the outcome, and the old workers have stayed.
   */
  reload(): Promise<ReloadOutcome>
}

export interface ClusterWorker {
  /** 1, 2, …: never used again. */
  id: number
  pid: number
  /** Which reload it is of: 1 at the start. */
  generation: number
  state: WorkerState
  /** Path of the Unix socket on which its own admin side listens, once it is ready. */
  socket: string
}

/**
 * starting: takes no connections yet. unresponsive: its event loop has stood still for a while, and it gets no
 * connections. draining: takes no more.
 */
export type WorkerState = 'starting' | 'ready' | 'unresponsive' | 'draining'

export interface ClusterStatus {
  pid: number
  /**
   * ready: a worker takes connections. In all other states `/readyz` is 503. starting: no worker is ready yet.
   * unresponsive: the event loops of all ready workers stand still. draining: told to stop.
   */
  state: WorkerState
  startedAt: number
  generation: number
  isReloading: boolean
  /** Undefined if there was none. */
  lastReload: ReloadOutcome | undefined
  crashes: CrashStatus
  workers: (ClusterWorker & { startedAt: number; connections: number })[]
}

export interface ReloadOutcome {
  outcome: 'done' | 'failed'
  /** Why it failed, as it would be printed at the start. */
  reason: string | undefined
  at: number
  duration: number
  /** Which generation runs now. */
  generation: number
}

/** Workers that ended by themselves. */
export interface CrashStatus {
  count: number
  last: { at: number; pid: number; reason: string } | undefined
  /** Of workers that are yet to be replaced: when the next one will be. */
  nextStartAt: number | undefined
}
