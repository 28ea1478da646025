import { constants, fstatSync, openSync } from 'node:fs'
import { isatty } from 'node:tty'

/** What is written to without waiting: a write fails with EAGAIN while a pipe, a socket or a terminal takes nothing. */
export interface Destination {
  readonly fd: number
  /** To be called before each write. */
  unblock(): void
}

/**
 * The same pipe, socket or terminal as a descriptor, or the file. A write that waits holds one of libuv's threads, and a
 * process that ends waits for those: it would end only once somebody reads.
 */
export function openNonBlocking(fd: number): Destination {
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants
  try {
    const status = fstatSync(fd)
    if (!status.isFIFO() && !status.isSocket() && !isatty(fd)) return { fd, unblock() {} }
    // Opened anew it is this process' own, as is its mode. A socket cannot be opened.
    if (!status.isSocket() && process.platform === 'linux')
      return { fd: openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY), unblock() {} }
  } catch {
    // It is closed, or another user's.
  }
  // The mode is shared with whoever has it too, and each process that starts or ends has it block again.
  return { fd, unblock: () => streamOf(fd)?._handle?.setBlocking?.(false) }
}

/** Its handle is the only way that node has to the mode. */
function streamOf(fd: number): { _handle?: { setBlocking?(isBlocking: boolean): void } } | undefined {
  return (fd === 1 ? process.stdout : fd === 2 ? process.stderr : undefined) as never
}
