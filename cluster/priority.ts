import { readdirSync } from 'node:fs'
import { constants, getPriority, setPriority } from 'node:os'

/** The lowest there is. */
const { PRIORITY_LOW } = constants.priority

/**
 * Has a process yield to the others until `restore` is called; undefined where the system would not let us take that
 * back (on Linux that takes CAP_SYS_NICE), and then nothing has changed.
 */
export function lowerPriority(pid: number): { restore(): void } | undefined {
  const own = getPriority()
  try {
    setPriority(pid, own - 1)
    setPriority(pid, PRIORITY_LOW)
  } catch {
    return undefined
  }
  return {
    restore() {
      // On Linux each thread has its own, and those that were started meanwhile have it from the one that started them.
      for (const thread of threadsOf(pid))
        try {
          setPriority(thread, own)
        } catch {
          // It has ended.
        }
    }
  }
}

function threadsOf(pid: number): number[] {
  if (process.platform !== 'linux') return [pid]
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number)
  } catch {
    return []
  }
}
