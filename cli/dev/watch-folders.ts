import { readdirSync, statSync, watch } from 'node:fs'
import { join, sep } from 'node:path'

export interface FolderWatcher {
  /** Watches one more folder, without those in it. */
  add(folder: string): void
  close(): void
}

export interface WatchOptions {
  /** Gets the paths of the files that were written, created, renamed or removed, once they are quiet. */
  onChange(files: ReadonlySet<string>): void
  /** Called once if a folder cannot be watched, such as for lack of inotify watches. */
  onError(error: NodeJS.ErrnoException): void
}

/** ms without a further change. An editor's save causes several events, and `git checkout` hundreds. */
const QUIET = 100
/** Folders that are watched at most. */
const MAX_FOLDERS = 5_000

/**
 * Watches a folder and all folders in it, except node_modules and hidden ones. Watches folders, not files, because many
 * editors replace a file to save it. Not the `recursive` of `fs.watch`, which watches each folder of node_modules on Linux.
 */
export function watchFolders(root: string, { onChange, onError }: WatchOptions): FolderWatcher {
  const watched = new Map<string, { close(): void }>()
  const changed = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let hasFailed = false
  addTree(root)
  return {
    add,
    close() {
      clearTimeout(timer)
      for (const watcher of watched.values()) watcher.close()
    }
  }

  function add(folder: string): void {
    if (watched.has(folder) || watched.size >= MAX_FOLDERS) return
    try {
      const watcher = watch(folder, (event, name) => {
        if (name !== null && !isIgnored(name)) onEvent(event, join(folder, name))
      })
      watcher.on('error', () => remove(folder))
      watched.set(folder, watcher)
    } catch (error) {
      // A folder that has gone needs no watcher.
      if (hasFailed || (error as NodeJS.ErrnoException).code === 'ENOENT') return
      hasFailed = true
      onError(error as NodeJS.ErrnoException)
    }
  }

  /** Returns the files in it. */
  function addTree(folder: string): string[] {
    add(folder)
    return entriesOf(folder).flatMap(entry => {
      const path = join(folder, entry.name)
      if (isIgnored(entry.name)) return []
      return entry.isDirectory() ? addTree(path) : [path]
    })
  }

  function onEvent(event: string, path: string): void {
    changed.add(path)
    if (event === 'rename') {
      remove(path)
      // Its files may be older than its watcher.
      if (isFolder(path)) for (const file of addTree(path)) changed.add(file)
    }
    clearTimeout(timer)
    timer = setTimeout(() => {
      const files = new Set(changed)
      changed.clear()
      onChange(files)
    }, QUIET)
  }

  /** The watcher of a removed or renamed folder gets no events of a new one with its name. */
  function remove(folder: string): void {
    for (const [path, watcher] of watched) {
      if (path !== folder && !path.startsWith(folder + sep)) continue
      watcher.close()
      watched.delete(path)
    }
  }
}

function isIgnored(name: string): boolean {
  return name === 'node_modules' || name.startsWith('.')
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}
