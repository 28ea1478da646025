import { readFileSync } from 'node:fs'

/** Milliseconds. */
const INTERVAL = 200

/**
 * Calls `onEnded` once the process that has started this one has ended, or the one that has started the shell in between:
 * npx starts commands in a shell, which passes no signal on and stays when npx is killed.
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

/** Undefined where the system does not say. */
function parentOf(pid: number): number | undefined {
  const stat = read(`/proc/${pid}/stat`)
  // proc_pid_stat(5): the name, in parentheses, may have any characters; state and parent come after it.
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
