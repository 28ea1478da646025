import { readFileSync } from 'node:fs'

/** ms between two checks. */
const INTERVAL = 200

/**
 * Calls `onEnded` when the parent process ends, or the parent of a shell in between: npx starts commands in a shell that
 * forwards no signals and survives npx.
 */
export function watchParents(onEnded: () => void): void {
  const parent = process.ppid
  const grandparent = isShell(parent) ? parentOf(parent) : undefined
  const timer = setInterval(() => {
    if (process.ppid === parent && (grandparent === undefined || parentOf(parent) === grandparent)) return
    clearInterval(timer)
    onEnded()
  }, INTERVAL).unref()
}

/** Returns undefined on systems without /proc. */
function parentOf(pid: number): number | undefined {
  const stat = read(`/proc/${pid}/stat`)
  // The name, in parentheses, may contain any character; state and parent follow it (proc_pid_stat(5)).
  const [, , parent] = stat.slice(stat.lastIndexOf(')')).split(' ')
  return parent === undefined ? undefined : Number(parent)
}

function isShell(pid: number): boolean {
  return read(`/proc/${pid}/comm`).trim().endsWith('sh')
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
