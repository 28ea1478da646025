import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import type { Urls } from '../../cluster/cluster-listeners.ts'

/** The program that runs beside a gateway in development, such as services to call. */
export interface Companion {
  /** Sends it the URLs of the gateway, now and after each restart. */
  send(urls: Urls): void
  restart(): Promise<void>
  stop(): Promise<void>
}

const PRELOAD = import.meta.resolve(`./exit-with-parent${extname(import.meta.filename)}`)
/** ms until a program that ignores SIGTERM is killed. */
const STOP_TIMEOUT = 1_000

/** @param onExit called with the reason when it ends by itself with a fault */
export function startCompanion(file: string, onExit: (reason: string) => void): Companion {
  let urls: Urls | undefined
  let child = start()
  let restarting: Promise<void> | undefined

  return {
    send(next) {
      urls = next
      tell()
    },
    restart() {
      restarting ??= stop().then(() => {
        restarting = undefined
        child = start()
        tell()
      })
      return restarting
    },
    stop
  }

  function start(): ChildProcess {
    // Its own process group: a Ctrl-C must reach only this process, which stops it.
    const started = fork(file, { execArgv: [`--import=${PRELOAD}`], detached: true })
    started.once('exit', (code, signal) => {
      if (child === started && code !== 0) onExit(signal === null ? `exit code ${code}` : `signal ${signal}`)
    })
    return started
  }

  function tell(): void {
    if (urls !== undefined && child.connected) child.send(urls, () => {})
  }

  async function stop(): Promise<void> {
    const stopping = child
    if (stopping.exitCode !== null || stopping.signalCode !== null) return
    stopping.removeAllListeners('exit')
    const ended = once(stopping, 'exit')
    stopping.kill('SIGTERM')
    const timer = setTimeout(() => stopping.kill('SIGKILL'), STOP_TIMEOUT)
    await ended
    clearTimeout(timer)
  }
}
