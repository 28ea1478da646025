import { constants, fstatSync, openSync } from 'node:fs'
import { isatty } from 'node:tty'

/** A descriptor whose writes never wait: they fail with EAGAIN while a pipe, socket or terminal is full. */
export interface Destination {
  readonly fd: number
  /** Call before each write. */
  unblock(): void
}

/**
 * Returns a non-blocking destination for a pipe, socket or terminal; a file stays as it is. A write that waits holds
 * one of libuv's threads, and a process that exits waits for its threads: it would end only when somebody reads.
 */
export function openNonBlocking(fd: number): Destination {
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants
  try {
    const status = fstatSync(fd)
    if (!status.isFIFO() && !status.isSocket() && !isatty(fd)) return { fd, unblock() {} }
    // Reopening makes a file description, and so a mode, of this process's own. A socket cannot be reopened.
    if (!status.isSocket() && process.platform === 'linux')
      return { fd: openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY), unblock() {} }
  } catch {
    // It is closed, or belongs to another user.
  }
  // The mode is shared with other processes, and each of them makes it blocking again when it starts or ends.
  return { fd, unblock: () => streamOf(fd)?._handle?.setBlocking?.(false) }
}

/** Only the handle of the stream can change the mode. */
function streamOf(fd: number): { _handle?: { setBlocking?(isBlocking: boolean): void } } | undefined {
  return (fd === 1 ? process.stdout : fd === 2 ? process.stderr : undefined) as never
}
