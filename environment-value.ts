import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

/** Bytes of a file with a value. */
const MAX_SIZE = 65_536

interface Variable {
  value?: string | undefined
  /** The file that the value is from. */
  file?: string
  /** Fault of `NAME_FILE`. Shows neither its value, which may be a secret by mistake, nor the file's contents. */
  fault?: string
}

/**
 * Returns the value of the environment variable `name`, or that of the file that `NAME_FILE` names, without a newline at the
 * end. An empty variable counts as not set.
 */
export function readVariable(name: string, env: NodeJS.ProcessEnv): Variable {
  const file = env[`${name}_FILE`]
  if (!file) return { value: env[name] || undefined }
  if (env[name]) return { fault: `is set together with ${name}; set only one of them` }
  try {
    const bytes = readBytes(file)
    if (typeof bytes === 'string') return { fault: bytes }
    const value = toText(bytes)?.replace(/\r?\n$/, '')
    if (value === undefined) return { fault: 'names a file that is not UTF-8 text' }
    return value === '' ? { fault: 'names an empty file' } : { value, file }
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    return { fault: READ_ERRORS[code] ?? `names a file that cannot be read (${code})` }
  }
}

const READ_ERRORS: Record<string, string> = {
  ENOENT: 'names a file that does not exist',
  ENOTDIR: 'names a file that does not exist',
  EACCES: 'names a file that this process is not permitted to read'
}

/** Returns the bytes of a regular file, or the fault. */
function readBytes(path: string): Buffer | string {
  // O_NONBLOCK: to open a named pipe would wait for its writer.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stats = fstatSync(file)
    if (stats.isDirectory()) return 'names a directory'
    if (!stats.isFile()) return 'must name a regular file'
    const bytes = Buffer.alloc(MAX_SIZE + 1)
    let size = 0
    for (let read = -1; read !== 0 && size < bytes.length; size += read)
      read = readSync(file, bytes, size, bytes.length - size, null)
    return size > MAX_SIZE ? `names a file of more than ${MAX_SIZE / 1024} KiB` : bytes.subarray(0, size)
  } finally {
    closeSync(file)
  }
}

/** Returns undefined for bytes that cannot be the value of a variable. Drops a byte order mark. */
function toText(bytes: Buffer): string | undefined {
  if (bytes.includes(0)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}
