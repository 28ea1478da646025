import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WORKER_ENV, WORKER_FLAGS } from '../cluster/v8-flags.ts'

/** A process under measurement, pinned to a core where the system can. */
export interface Measured {
  child: ChildProcess
  url: string
  /** Of each gateway, if it has several. */
  urls: string[]
  /** Microseconds of CPU, user and system, since its start. */
  cpu(): number
  /** Bytes resident. */
  memory(): number
}

const canPin = process.platform === 'linux' && has('taskset')

/** `core`: 0 for a subject, 1 for what loads and answers it. On one core, or without taskset, the system decides. */
export async function startNode(
  script: string,
  env: NodeJS.ProcessEnv,
  core: number,
  flags: string[] = []
): Promise<Measured> {
  const node = [process.execPath, ...flags, script]
  const [command, ...args] = canPin ? ['taskset', '-c', String(core), ...node] : node
  const child = spawn(command as string, args, {
    env: { ...process.env, ...env, PORT: '0' },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  const [message] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`${script} ended with ${code}`)))
  ])
  const { port, ports } = message as { port: number; ports?: number[] }
  return measured(child, port, ports)
}

/** This process too, where the system can. */
export function pinSelf(core: number): void {
  if (canPin) execFileSync('taskset', ['-a', '-c', '-p', String(core), String(process.pid)])
}

/** A script of this folder; see `startNode`. */
export function startScript(
  script: string,
  env: NodeJS.ProcessEnv,
  core: number,
  flags?: string[]
): Promise<Measured> {
  return startNode(fileURLToPath(new URL(script, import.meta.url)), env, core, flags)
}

/** Of bench/subjects: Sluice as its workers run, all else as it comes. */
export function startSubject(script: string, env: NodeJS.ProcessEnv, flags?: string[]): Promise<Measured> {
  return script.endsWith('/sluice.ts') ? startGateway(script, env, flags) : startScript(script, env, 0, flags)
}

/** A gateway in a script of this folder, in a process such as a worker's is. */
export function startGateway(
  script: string,
  env: NodeJS.ProcessEnv,
  flags: string[] = []
): Promise<Measured> {
  const NODE_COMPILE_CACHE = join(tmpdir(), 'sluice-bench-compiled')
  return startScript(script, { NODE_COMPILE_CACHE, ...WORKER_ENV, ...env }, 0, [...WORKER_FLAGS, ...flags])
}

export function measured(child: ChildProcess, port: number, ports = [port]): Measured {
  const { pid } = child
  return {
    child,
    url: `http://127.0.0.1:${port}`,
    urls: ports.map(port => `http://127.0.0.1:${port}`),
    cpu: () => cpuOf(pid as number),
    memory: () => memoryOf(pid as number)
  }
}

/** Asks first: a process that ends by itself leaves its profile behind. */
export async function stop({ child }: Pick<Measured, 'child'>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await exit
  clearTimeout(timer)
}

/** From /proc, thread by thread, since the sum comes in ticks of 10 ms; elsewhere from ps, in whole seconds. */
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
  const ran = threads.map(thread =>
    readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ', 1)
  )
  return ran.reduce((sum, [nanoseconds]) => sum + Number(nanoseconds), 0) / 1_000
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
