import { fork } from 'node:child_process'
import type { Socket } from 'node:net'
import { extname, join } from 'node:path'
import type { ClusterWorker, WorkerState } from './cluster-types.ts'
import type { ConfigDigests } from './config-digests.ts'
import type { DevMode } from './dev-mode.ts'
import { type Heartbeat, startHeartbeat } from './heartbeat.ts'
import type { LoadedFiles } from './loaded-files.ts'
import type { FromWorker, Settings, ToWorker } from './messages.ts'
import { lowerPriority } from './priority.ts'

/** A worker, seen from the supervisor. */
export interface WorkerProcess extends ClusterWorker {
  readonly startedAt: number
  /** Open connections: as last reported, plus those assigned since. */
  connections: number
  /** Id of an assigned connection that the worker has not acknowledged. */
  pending: number | undefined
  /** True while the worker gets no connections because it lacks file descriptors. */
  isPaused: boolean
  /** False while its event loop is blocked. */
  readonly isResponsive: boolean
  /** Rejects with the reason, for operators, if the worker does not get ready; it exits then. */
  readonly ready: Promise<Settings>
  /** Empty until the worker is ready. */
  loadedFiles: LoadedFiles
  config: ConfigDigests
  /** Resolves with the reason of the exit, for operators; undefined if it was requested and the worker did not hang. */
  readonly ended: Promise<string | undefined>
  readonly hasEnded: boolean
  assign(id: number, connection: Socket): void
  /** Sends a message to the worker's gateway. */
  send(message: object): void
  drain(): void
  kill(): void
}

export interface WorkerOptions {
  id: number
  generation: number
  /** Path of the config. */
  file: string
  /** Directory of the worker's Unix socket. */
  directory: string
  /** Node and V8 flags of workers. */
  execArgv: readonly string[]
  /** Environment variables, in addition to the supervisor's. */
  env: NodeJS.ProcessEnv
  /** ms to get ready. */
  startTimeout: number
  /** ms that the event loop may be blocked; 0 (default): no limit. */
  hangTimeout?: number
  /** Number of workers in a generation. */
  workers: number
  /** True if other workers are serving: the worker starts at the lowest CPU priority, and warms up. */
  isYielding: boolean
  /** ms for the warm-up of a yielding worker. */
  warmUp: number
  dev?: DevMode | undefined
  onAck(id: number): void
  onNack(id: number): void
  /** Returns true if it has handled the message. */
  onMessage(message: unknown, reply: (message: object) => void): boolean
  /** Called when the worker fails and drains by itself, or hangs and is killed. */
  onFailing(reason: string): void
  /** Called when `isResponsive` changes. */
  onResponsive?(): void
}

const SCRIPT = join(import.meta.dirname, `worker${extname(import.meta.filename)}`)

export function startWorker(options: WorkerOptions): WorkerProcess {
  const { id, generation, file, directory, execArgv, env, startTimeout, workers, isYielding, warmUp } =
    options
  const { hangTimeout = 0, dev, onAck, onNack, onMessage, onFailing, onResponsive } = options
  const socket = join(directory, `${id}.sock`)
  const args = [file, socket, `${workers}`, `${isYielding ? warmUp : 0}`]
  const child = fork(SCRIPT, dev === undefined ? args : [...args, JSON.stringify(dev)], {
    // V8 takes the last of two flags, so those that the supervisor was started with win.
    execArgv: [...execArgv, ...process.execArgv],
    // The compile cache saves a third of the start time.
    env: { NODE_COMPILE_CACHE: join(directory, 'compiled'), ...env, ...process.env }
  })
  const ready = Promise.withResolvers<Settings>()
  const ended = Promise.withResolvers<string | undefined>()
  const priority = isYielding && child.pid !== undefined ? lowerPriority(child.pid) : undefined
  let heartbeat: Heartbeat | undefined
  let isStopping = false
  let isHung = false
  let reason: string | undefined

  const timer = isInspected()
    ? undefined
    : setTimeout(() => {
        reason = `the worker was not ready within ${startTimeout / 1000} s`
        child.kill('SIGKILL')
      }, startTimeout)
  // On a busy machine a worker of the lowest priority might never get ready.
  const yielding = setTimeout(() => priority?.restore(), startTimeout / 3)
  // Avoid an unhandled rejection if nobody waits for it.
  ready.promise.catch(() => {})

  const worker: WorkerProcess = {
    id,
    pid: child.pid ?? 0,
    generation,
    state: 'starting' as WorkerState,
    socket,
    startedAt: Date.now(),
    connections: 0,
    pending: undefined,
    isPaused: false,
    get isResponsive() {
      return heartbeat?.isResponsive ?? true
    },
    ready: ready.promise,
    loadedFiles: {},
    config: {},
    ended: ended.promise,
    get hasEnded() {
      return child.exitCode !== null || child.signalCode !== null
    },
    assign(id, connection) {
      post({ type: 'connection', id }, connection)
      // Node does not report a connection that the receiver could not take.
      post({ type: 'sent', id })
    },
    send,
    drain() {
      isStopping = true
      worker.state = 'draining'
      post({ type: 'drain' })
    },
    kill() {
      isStopping = true
      child.kill('SIGKILL')
    }
  }

  child.on('message', (message: FromWorker) => {
    if (message.type === 'pong') return heartbeat?.pong(message.isDebugged)
    if (onMessage(message, send)) return
    if ('connections' in message) worker.connections = message.connections
    if (message.type === 'ack') onAck(message.id)
    else if (message.type === 'nack') onNack(message.id)
    else if (message.type === 'ready') {
      clearTimeout(timer)
      clearTimeout(yielding)
      priority?.restore()
      worker.loadedFiles = message.loadedFiles
      worker.config = message.config
      heartbeat = startHeartbeat({
        timeout: hangTimeout,
        ping: () => post({ type: 'ping' }),
        onChange: () => onResponsive?.(),
        onHung: hung
      })
      ready.resolve(message.settings)
    } else if (message.type === 'failed') {
      reason = message.reason
      if (heartbeat !== undefined) onFailing(message.reason)
    }
  })
  child.on('error', ({ message }) => end(message))
  child.once('exit', (code, signal) => end(signal === null ? `exit code ${code}` : `signal ${signal}`))
  return worker

  function post(message: ToWorker, connection?: Socket): void {
    // An ended worker is handled on its exit event.
    if (child.connected) child.send(message, connection, { keepOpen: true }, () => {})
  }

  function send(message: object): void {
    if (child.connected) child.send(message, () => {})
  }

  function hung(): void {
    isHung = true
    reason = `its event loop was blocked for ${hangTimeout / 1000} s`
    child.kill('SIGKILL')
    // Do not wait for the exit: a process in uninterruptible disk sleep cannot be killed.
    if (worker.state !== 'draining') onFailing(reason)
  }

  function end(how: string): void {
    heartbeat?.stop()
    clearTimeout(timer)
    clearTimeout(yielding)
    ready.reject(new Error(reason ?? `the worker did not start: ${how}`))
    ended.resolve(isStopping && !isHung ? undefined : (reason ?? how))
  }
}

/** True under a debugger, which may stop workers before they have started (`--inspect-brk`). */
function isInspected(): boolean {
  return /--inspect\b/.test(`${process.execArgv} ${process.env.NODE_OPTIONS}`)
}
