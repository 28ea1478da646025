import { constants, fstatSync, openSync } from 'node:fs'
import { isatty } from 'node:tty'
import { unblockStream } from '../http/node-internals.ts'

/** A file descriptor whose writes fail with EAGAIN while a pipe, socket or terminal is full, instead of waiting. */
export interface Destination {
  readonly fd: number
  /** Call before each write. */
  unblock(): void
}

/**
 * Returns a non-blocking destination for a pipe, socket or terminal; a file stays as it is. A blocking write
 * would hold one of libuv's threads, and the process could not exit before somebody reads.
 */
export function openNonBlocking(fd: number): Destination {
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants
  try {
    const status = fstatSync(fd)
    if (!status.isFIFO() && !status.isSocket() && !isatty(fd)) return { fd, unblock() {} }
    // Reopening creates a file description, and thereby a mode, of this process alone. Sockets cannot be reopened.
    if (!status.isSocket() && process.platform === 'linux')
      return { fd: openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY), unblock() {} }
  } catch {
    // The descriptor is closed, or belongs to another user.
  }
  // Other processes share the mode, and each sets it to blocking when it starts or ends.
  return { fd, unblock: () => unblockStream(streamOf(fd)) }
}

/** Returns the stream of a descriptor, whose handle can change the mode. */
function streamOf(fd: number): object | undefined {
  return fd === 1 ? process.stdout : fd === 2 ? process.stderr : undefined
}
