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
  const changedMeanwhile = new Set<string>()
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
    if (companionFile !== undefined && files.has(companionFile)) {
      note(`${program} changed, restarting it`)
      companion?.restart()
    }
    reloadChanged(files)
  }

  function reloadChanged(files: ReadonlySet<string>): void {
    const loaded = supervisor?.loadedFiles() ?? {}
    const isSource = supervisor === undefined || hasFailed ? (path: string) => SOURCE.test(path) : () => false
    if (loading === undefined) {
      const isChanged = (path: string) => pathOf(path) in loaded && loaded[pathOf(path)] !== digestFile(path)
      const changed = [...files].filter(path => isSource(path) || isChanged(path))
      if (changed.length === 0) return
      note(`${list(changed)} changed, ${supervisor === undefined ? 'starting' : 'reloading'}`)
      load()
      return
    }
    // The new worker may have read a file before or after it was saved, and its files are known only when it is ready.
    for (const path of files) changedMeanwhile.add(path)
    const changed = [...files].filter(path => isSource(path) || pathOf(path) in loaded)
    const doing = supervisor === undefined ? 'start' : 'reload'
    if (changed.length > 0)
      note(`${list(changed)} changed during the ${doing}; reloading again unless the new worker has it`)
  }

  function load(): void {
    loading = (supervisor === undefined ? start() : reload(supervisor)).finally(() => {
      loading = undefined
      for (const path of Object.keys(supervisor?.loadedFiles() ?? {})) folders.add(dirname(resolve(path)))
      const files = new Set(changedMeanwhile)
      changedMeanwhile.clear()
      if (stoppedAt === undefined) reloadChanged(files)
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
      note(
        `Dashboard: ${urls.admin}. Saved files are loaded; requests after "reloaded" get the new code. Ctrl-C stops.`
      )
      companion?.send(urls)
    } catch (error) {
      hasFailed = true
      const { message, cause } = error as Error
      const isInUse = (cause as NodeJS.ErrnoException | undefined)?.code === 'EADDRINUSE'
      note(`${message}\nThe gateway does not run. Save a file to try again; Ctrl-C stops.`)
      if (isInUse)
        note('Or run it with other ports: PORT is usually that of the gateway, ADMIN_PORT of the admin API.')
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

/** Names files as the log does. A `git checkout` may change hundreds. */
function list(files: string[]): string {
  const [first = '', second] = files.map(pathOf)
  if (second === undefined) return first
  return files.length === 2 ? `${first} and ${second}` : `${first} and ${files.length - 1} other files`
}
