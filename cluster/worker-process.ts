import { fork } from 'node:child_process'
import type { Socket } from 'node:net'
import { extname, join } from 'node:path'
import type { ClusterWorker, WorkerState } from './cluster-types.ts'
import { type Heartbeat, startHeartbeat } from './heartbeat.ts'
import type { Edition } from './loaded-files.ts'
import type { FromWorker, Settings, ToWorker } from './messages.ts'
import { lowerPriority } from './priority.ts'

/** A worker as its supervisor has it. */
export interface WorkerProcess extends ClusterWorker {
  readonly startedAt: number
  /** As it has told, and what was given to it since. */
  connections: number
  /** Of the connections given to it, the one that it has not said it took. */
  pending: number | undefined
  /** It is given none for a while. */
  isResting: boolean
  /** False while its event loop stands still. */
  readonly isResponsive: boolean
  /** @throws why it did not get there, for people; it has ended then, or will. */
  readonly ready: Promise<Settings>
  /** Empty until it is ready. */
  edition: Edition
  /** Resolves with how it ended, for people; undefined if it was told to and did not hang. */
  readonly ended: Promise<string | undefined>
  readonly hasEnded: boolean
  give(id: number, connection: Socket): void
  /** What is for the gateway in it. */
  tell(message: object): void
  drain(): void
  kill(): void
}

export interface WorkerOptions {
  id: number
  generation: number
  /** Of the config. */
  file: string
  /** Where its Unix socket is to be. */
  directory: string
  /** Node's and V8's own, for workers alone. */
  execArgv: readonly string[]
  /** Besides the supervisor's. */
  env: NodeJS.ProcessEnv
  /** Milliseconds to get ready. */
  startTimeout: number
  /** Milliseconds that its event loop may stand still; 0, the default: for ever. */
  hangTimeout?: number
  /** How many there are at a time. */
  workers: number
  /** It starts beside others that serve. */
  isYielding: boolean
  /** Milliseconds that the warm-up of such a worker may take. */
  warmUp: number
  onTaken(id: number): void
  onMissed(id: number): void
  /** True if it was a message for somebody else. */
  onMessage(message: unknown, reply: (message: object) => void): boolean
  /** Called when it fails: it has said so, and drains and ends; or it hangs, and is killed. */
  onFailing(reason: string): void
  /** `isResponsive` has changed. */
  onResponsive?(): void
}

const SCRIPT = join(import.meta.dirname, `worker${extname(import.meta.filename)}`)

export function startWorker(options: WorkerOptions): WorkerProcess {
  const { id, generation, file, directory, execArgv, env, startTimeout, workers, isYielding, warmUp } =
    options
  const { hangTimeout = 0, onTaken, onMissed, onMessage, onFailing, onResponsive } = options
  const socket = join(directory, `${id}.sock`)
  const child = fork(SCRIPT, [file, socket, `${workers}`, `${isYielding ? warmUp : 0}`], {
    execArgv: [...process.execArgv, ...execArgv],
    // A third of the time that a start takes is for what has been compiled before.
    env: { NODE_COMPILE_CACHE: join(directory, 'compiled'), ...env, ...process.env }
  })
  const ready = Promise.withResolvers<Settings>()
  const ended = Promise.withResolvers<string | undefined>()
  const priority = isYielding && child.pid !== undefined ? lowerPriority(child.pid) : undefined
  let heartbeat: Heartbeat | undefined
  let isTold = false
  let isHung = false
  let reason: string | undefined

  const timer = isInspected()
    ? undefined
    : setTimeout(() => {
        reason = `the worker was not ready within ${startTimeout / 1000} s`
        child.kill('SIGKILL')
      }, startTimeout)
  // On a machine that has no time left for it, it would not get there.
  const yielding = setTimeout(() => priority?.restore(), startTimeout / 3)
  // Whoever starts one asks for it; nobody has to.
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
    isResting: false,
    get isResponsive() {
      return heartbeat?.isResponsive ?? true
    },
    ready: ready.promise,
    edition: {},
    ended: ended.promise,
    get hasEnded() {
      return child.exitCode !== null || child.signalCode !== null
    },
    give(id, connection) {
      send({ type: 'connection', id }, connection)
      // Of one that is not received node tells nobody.
      send({ type: 'given', id })
    },
    tell,
    drain() {
      isTold = true
      worker.state = 'draining'
      send({ type: 'drain' })
    },
    kill() {
      isTold = true
      child.kill('SIGKILL')
    }
  }

  child.on('message', (message: FromWorker) => {
    if (message.type === 'pong') return heartbeat?.answered(message.isDebugged)
    if (onMessage(message, tell)) return
    if ('connections' in message) worker.connections = message.connections
    if (message.type === 'taken') onTaken(message.id)
    else if (message.type === 'missed') onMissed(message.id)
    else if (message.type === 'ready') {
      clearTimeout(timer)
      clearTimeout(yielding)
      priority?.restore()
      worker.edition = message.edition
      heartbeat = startHeartbeat({
        timeout: hangTimeout,
        ping: () => send({ type: 'ping' }),
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
  child.once('exit', (code, signal) =>
    end(signal === null ? `it ended with ${code}` : `it ended by ${signal}`)
  )
  return worker

  function send(message: ToWorker, connection?: Socket): void {
    // One that has ended is heard of by its exit.
    if (child.connected) child.send(message, connection, { keepOpen: true }, () => {})
  }

  function tell(message: object): void {
    if (child.connected) child.send(message, () => {})
  }

  function hung(): void {
    isHung = true
    reason = `it hangs: its event loop has stood still for ${hangTimeout / 1000} s`
    child.kill('SIGKILL')
    // Without waiting for its end: a process that waits for a disk cannot be killed.
    if (worker.state !== 'draining') onFailing(reason)
  }

  function end(how: string): void {
    heartbeat?.stop()
    clearTimeout(timer)
    clearTimeout(yielding)
    ready.reject(new Error(reason ?? `the worker did not start: ${how}`))
    ended.resolve(isTold && !isHung ? undefined : (reason ?? how))
  }
}

/** True under a debugger, which may stop workers before they have started (`--inspect-brk`). */
function isInspected(): boolean {
  return /--inspect\b/.test(`${process.execArgv} ${process.env.NODE_OPTIONS}`)
}
