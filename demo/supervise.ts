// Child processes that come up, are watched, and go again together.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Program {
  name: string
  file: string
  /** Modules that are loaded before it. */
  preload?: string[]
  /** Where it is when it is up, for people to read. */
  url: string
  env: { [variable: string]: string }
  /** A URL that answers 2xx once the program is up. */
  probe: string
}

export interface SupervisorOptions {
  /** How long a program may take to come up, in ms. */
  startTimeout: number
  /** How long one may take to end before it is killed, in ms. */
  stopTimeout: number
  /** Told when a program ends that nobody stopped. */
  onEnd(program: Program, pid: number | undefined): void
}

export function createSupervisor({ startTimeout, stopTimeout, onEnd }: SupervisorOptions) {
  const running = new Map<Program, ChildProcess>()
  let stopping = false

  return { start, stopAll, isRunning, pidOf, isStopping: () => stopping }

  /** Resolves once the program answers; throws, naming it, if it ends before that or takes too long. */
  async function start(program: Program) {
    if (stopping) throw new Error(`${program.name} is not started any more`)
    const child = fork(program.file, {
      cwd: join(import.meta.dirname, '..'),
      env: { ...process.env, ...program.env },
      execArgv: program.preload?.map(module => `--import=${module}`) ?? [],
      // A process group of its own: Ctrl-C in the terminal comes to the parent alone, which ends the rest.
      detached: true
    })
    running.set(program, child)
    child.once('exit', () => running.delete(program))

    const deadline = performance.now() + startTimeout
    while (performance.now() < deadline) {
      const up = await answers(program.probe)
      if (!isRunning(program)) throw new Error(`${program.name} did not come up`)
      if (up) {
        child.once('exit', () => stopping || onEnd(program, child.pid))
        return
      }
      await sleep(50)
    }
    throw new Error(`${program.name} did not answer within ${startTimeout / 1000} s at ${program.probe}`)
  }

  async function stopAll() {
    stopping = true
    await Promise.all([...running.values()].map(stop))
  }

  async function stop(child: ChildProcess) {
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeout)
    await gone
    clearTimeout(timer)
  }

  function isRunning(program: Program) {
    return running.has(program)
  }

  function pidOf(program: Program) {
    return running.get(program)?.pid
  }
}

/** Throws in one line if the port cannot be had; `variable` is the environment variable that sets another. */
export async function checkPort(name: string, port: number, variable: string) {
  const server = createServer()
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new Error(
      code === 'EADDRINUSE'
        ? `${name}: port ${port} is taken; ${variable} sets another`
        : `${name}: ${message}`
    )
  }
  server.close()
  await once(server, 'close')
}

async function answers(url: string) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1000) })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}
