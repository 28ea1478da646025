import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Characters. A Unix socket's path is limited to 107 bytes (unix(7)). */
const MAX_PATH = 60

/**
 * Creates the directory of the workers' sockets, which only its owner can access, and removes it when the process exits.
 * @throws with advice if the system's directory for temporary files cannot be written
 */
export function createSocketDirectory(): string {
  const parent = tmpdir().length > MAX_PATH ? '/tmp' : tmpdir()
  try {
    const directory = mkdtempSync(join(parent, 'sluice-'))
    process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
    return directory
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new Error(
      `no directory can be created in ${parent} for the sockets of workers (${code}); set TMPDIR, or mount a tmpfs there`
    )
  }
}
