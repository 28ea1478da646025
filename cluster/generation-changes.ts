import type { Changes } from './cluster-types.ts'
import { changedNames } from './config-digests.ts'
import type { WorkerProcess } from './worker-process.ts'

type Loaded = Pick<WorkerProcess, 'loadedFiles' | 'config'>

/** Names that are listed of each kind. */
const MAX_NAMES = 100

/** Returns what differs between workers of two generations, when they got ready. */
export function changesBetween(before: Loaded | undefined, after: Loaded | undefined): Changes {
  if (before === undefined || after === undefined) return { files: [], config: [] }
  return {
    files: changedNames(before.loadedFiles, after.loadedFiles).slice(0, MAX_NAMES),
    config: changedNames(before.config, after.config).slice(0, MAX_NAMES)
  }
}
