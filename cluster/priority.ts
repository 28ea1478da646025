import { readdirSync } from 'node:fs'
import { constants, getPriority, setPriority } from 'node:os'

const { PRIORITY_LOW } = constants.priority

/**
 * Gives a process the lowest CPU priority until `restore` is called. Returns undefined, and changes nothing, if the system
 * would not let us restore it (Linux: without CAP_SYS_NICE).
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
      // On Linux each thread has its own priority, inherited from the thread that started it.
      for (const thread of threadsOf(pid))
        try {
          setPriority(thread, own)
        } catch {
          // The thread has ended.
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
