import { realpathSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { digestFile, pathOf } from '../../cluster/loaded-files.ts'
import { watchParents } from '../../cluster/parents.ts'
import { type Supervisor, startSupervisor } from '../../cluster/supervisor.ts'
import type { LogFormat } from '../../observe/logger.ts'
import { type Companion, startCompanion } from './companion.ts'
import { watchFolders } from './watch-folders.ts'

export interface DevOptions {
  /** Path of the config. */
  file: string
  /** Path of a program that runs beside the gateway. */
  companion: string | undefined
  log: LogFormat
  /** Prints a line for the developer. */
  note(line: string): void
}

/** Files whose change may repair a gateway that cannot be loaded. */
const SOURCE = /\.(?:[cm]?[jt]s|json|ya?ml|wasm)$/
/** ms within which two signals count as one: npm forwards the SIGINT that the terminal has already sent. */
const SAME_SIGNAL = 500
/** ms to stop. Open requests get a second of it. */
const STOP_TIMEOUT = 5_000

/** Runs a gateway with one worker that loads saved files, until a signal or the end of the parent process. */
export function runDev({ file, companion: program, log, note }: DevOptions): void {
  let supervisor: Supervisor | undefined
  let loading: Promise<void> | undefined
  let isDue = false
  let hasFailed = false
  let stoppedAt: number | undefined
  // Each failed start leaves a listener of its logger.
  process.setMaxListeners(0)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
  watchParents(stop)

  const companionFile = program && realpathSync(program)
  const companion: Companion | undefined =
    companionFile === undefined
      ? undefined
      : startCompanion(companionFile, reason =>
          note(`${program} has ended: ${reason}. Save it to start it again.`)
        )
  const folders = watchFolders(dirname(realpathSync(file)), {
    onChange,
    onError: ({ code, message }) =>
      note(
        `saved files are not noticed in all folders: ${code === 'ENOSPC' ? 'raise fs.inotify.max_user_watches' : message}`
      )
  })
  if (companionFile !== undefined) folders.add(dirname(companionFile))
  load()

  function onChange(files: ReadonlySet<string>): void {
    if (companionFile !== undefined && files.has(companionFile)) companion?.restart()
    const loaded = supervisor?.loadedFiles() ?? {}
    const isChanged = (path: string) => pathOf(path) in loaded && loaded[pathOf(path)] !== digestFile(path)
    if ([...files].some(path => (hasFailed && SOURCE.test(path)) || isChanged(path))) load()
  }

  /** Loads the files as they are when it starts; a call meanwhile loads them once more. */
  function load(): void {
    isDue = loading !== undefined
    loading ??= (supervisor === undefined ? start() : reload(supervisor)).finally(() => {
      loading = undefined
      for (const path of Object.keys(supervisor?.loadedFiles() ?? {})) folders.add(dirname(resolve(path)))
      if (isDue) load()
    })
  }

  async function start(): Promise<void> {
    try {
      supervisor = await startSupervisor({
        file,
        workers: 1,
        startTimeout: 60_000,
        warmUp: 0,
        joinFor: 0,
        // A debugger blocks the event loop.
        hangTimeout: 0,
        dev: { log }
      })
      hasFailed = false
      const urls = supervisor.urls()
      note(`Dashboard: ${urls.admin}. Saved files are loaded at once; Ctrl-C stops.`)
      companion?.send(urls)
    } catch (error) {
      hasFailed = true
      note(`${(error as Error).message}\nThe gateway does not run. Save a file to try again; Ctrl-C stops.`)
    }
  }

  async function reload({ reload, urls }: Supervisor): Promise<void> {
    const before = urls()
    hasFailed = (await reload({ by: 'save' })).outcome === 'failed'
    if (urls().gateway !== before.gateway) companion?.send(urls())
  }

  /** A second signal ends everything at once. */
  async function stop(): Promise<void> {
    const now = performance.now()
    if (stoppedAt !== undefined && now - stoppedAt < SAME_SIGNAL) return
    if (stoppedAt !== undefined) supervisor?.kill()
    // Workers that are starting exit when their channel closes.
    if (stoppedAt !== undefined) process.exit(1)
    stoppedAt = now
    folders.close()
    setTimeout(() => {
      supervisor?.kill()
      process.exit(1)
    }, STOP_TIMEOUT)
    await Promise.all([supervisor?.stop(), companion?.stop()])
    process.exit(0)
  }
}
