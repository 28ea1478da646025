// Starts, watches and stops child processes together.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Program {
  name: string
  file: string
  /** Modules to import first. */
  preload?: string[]
  /** Printed for users. */
  url: string
  env: { [variable: string]: string }
  /** A URL that responds with 2xx when the program is ready. */
  probe: string
}

export interface ProcessGroupOptions {
  /** Milliseconds for a program to become ready. */
  startTimeout: number
  /** Milliseconds between SIGTERM and SIGKILL. */
  stopTimeout: number
  /** Called when a program exits that was not stopped. */
  onExit(program: Program, pid: number | undefined): void
}

export function createProcessGroup({ startTimeout, stopTimeout, onExit }: ProcessGroupOptions) {
  const running = new Map<Program, ChildProcess>()
  let stopping = false

  return { start, stopAll, isRunning, pidOf, isStopping: () => stopping }

  /**
   * Resolves when the program is ready.
   * @throws if it exits first or takes longer than `startTimeout`
   */
  async function start(program: Program) {
    if (stopping) throw new Error(`${program.name} was not started: everything is stopping`)
    const child = fork(program.file, {
      cwd: join(import.meta.dirname, '..'),
      env: { ...process.env, ...program.env },
      execArgv: program.preload?.map(module => `--import=${module}`) ?? [],
      // Its own process group, so that Ctrl-C reaches only the parent, which stops the others.
      detached: true
    })
    running.set(program, child)
    child.once('exit', () => running.delete(program))

    const deadline = performance.now() + startTimeout
    while (performance.now() < deadline) {
      const isReady = await respondsOk(program.probe)
      if (!isRunning(program)) throw new Error(`${program.name} exited before it was ready`)
      if (isReady) {
        child.once('exit', () => stopping || onExit(program, child.pid))
        return
      }
      await sleep(50)
    }
    throw new Error(`${program.name} was not ready within ${startTimeout / 1000} s (${program.probe})`)
  }

  async function stopAll() {
    stopping = true
    await Promise.all([...running.values()].map(stop))
  }

  async function stop(child: ChildProcess) {
    const exit = once(child, 'exit')
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeout)
    await exit
    clearTimeout(timer)
  }

  function isRunning(program: Program) {
    return running.has(program)
  }

  function pidOf(program: Program) {
    return running.get(program)?.pid
  }
}

/** @throws a one-line error if the port is not available; `variable` is the environment variable that changes it */
export async function checkPort(name: string, port: number, variable: string) {
  const server = createServer()
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new Error(
      code === 'EADDRINUSE'
        ? `${name}: port ${port} is in use; set ${variable} to use another one`
        : `${name}: ${message}`
    )
  }
  server.close()
  await once(server, 'close')
}

async function respondsOk(url: string) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1000) })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}
