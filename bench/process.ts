import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WORKER_ENV, WORKER_FLAGS } from '../cluster/v8-flags.ts'
import type { Subject } from './subjects.ts'

/** A child process under measurement, pinned to one core where the system supports it. */
export interface MeasuredProcess {
  child: ChildProcess
  url: string
  /** Returns microseconds of CPU time (user and system) since its start, with that of its children. */
  cpu(): number
  /** Returns resident bytes. */
  memory(): number
}

const canPin = process.platform === 'linux' && has('taskset')

/** Has `import … from 'sluice'` load the sources rather than the build. */
export const SOURCES = '--conditions=sluice-source'

/**
 * Starts a Node script that sends `{ port }` when it is ready.
 * @param core 0 for subjects, 1 for load and upstream; ignored without taskset
 */
export async function startNode(
  script: string,
  env: NodeJS.ProcessEnv,
  core: number,
  flags: string[] = []
): Promise<MeasuredProcess> {
  const node = [process.execPath, SOURCES, ...flags, script]
  const [command, ...args] = canPin ? ['taskset', '-c', String(core), ...node] : node
  const child = spawn(command as string, args, {
    env: { ...process.env, ...env, PORT: '0' },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  const [message] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`${script} exited with code ${code}`)))
  ])
  return toMeasured(child, (message as { port: number }).port)
}

/** Pins this process to `core` where the system supports it. */
export function pinSelf(core: number): void {
  if (canPin) execFileSync('taskset', ['-a', '-c', '-p', String(core), String(process.pid)])
}

/** Starts a script of this folder; see `startNode`. */
export function startScript(
  script: string,
  env: NodeJS.ProcessEnv,
  core: number,
  flags?: string[]
): Promise<MeasuredProcess> {
  return startNode(fileURLToPath(new URL(script, import.meta.url)), env, core, flags)
}

/** Starts a script of bench/subjects: Sluice with a worker's flags, the others with Node's defaults. */
export function startSubject(
  { script, env: own }: Pick<Subject, 'script' | 'env'>,
  env: NodeJS.ProcessEnv,
  flags?: string[]
): Promise<MeasuredProcess> {
  const path = `subjects/${script}`
  const all = { ...env, ...own }
  return script === 'sluice.ts' ? startGateway(path, all, flags) : startScript(path, all, 0, flags)
}

/** Starts a script of this folder with the flags and environment of a worker. */
export function startGateway(
  script: string,
  env: NodeJS.ProcessEnv,
  flags: string[] = []
): Promise<MeasuredProcess> {
  const NODE_COMPILE_CACHE = join(tmpdir(), 'sluice-bench-compiled')
  return startScript(script, { NODE_COMPILE_CACHE, ...WORKER_ENV, ...env }, 0, [...WORKER_FLAGS, ...flags])
}

export function toMeasured(child: ChildProcess, port: number): MeasuredProcess {
  const pid = child.pid as number
  return { child, url: `http://127.0.0.1:${port}`, cpu: () => cpuOf(pid), memory: () => memoryOf(pid) }
}

/** Sends SIGTERM, and SIGKILL after 5 s. */
export async function stop({ child }: Pick<MeasuredProcess, 'child'>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await exit
  clearTimeout(timer)
}

/**
 * Includes child processes: Sluice's supervisor has its workers. Sums /proc per thread, since the process total has a
 * resolution of 10 ms. Elsewhere asks ps, in whole seconds and without children.
 */
function cpuOf(pid: number): number {
  if (process.platform !== 'linux') {
    const [seconds = 0, minutes = 0, hours = 0] = execFileSync('ps', ['-o', 'time=', '-p', String(pid)], {
      encoding: 'utf8'
    })
      .trim()
      .split(':')
      .reverse()
      .map(Number)
    return ((hours * 60 + minutes) * 60 + seconds) * 1e6
  }
  const threads = readdirSync(`/proc/${pid}/task`)
  const times = threads.map(thread =>
    readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ', 1)
  )
  const own = times.reduce((sum, [nanoseconds]) => sum + Number(nanoseconds), 0) / 1_000
  return childrenOf(pid).reduce((sum, child) => sum + cpuOf(child), own)
}

/** Children are listed by the thread that started them: here always the main one. */
function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}

function memoryOf(pid: number): number {
  if (process.platform !== 'linux')
    return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) * 1024
  return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096
}

function has(command: string): boolean {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
