import { ConfigError } from '../schemas/options/config-error.ts'

/** Returns why a gateway does not start, for people. */
export function explainFailure(error: unknown): string {
  if (error instanceof ConfigError) {
    const { faults, message } = error
    return `The configuration has ${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}:\n${message}`
  }
  const { code, address, port } = (error ?? {}) as NodeJS.ErrnoException & { port?: number; address?: string }
  if (code === 'EADDRINUSE') return `${address}:${port} is in use by another process`
  if (code === 'EACCES') return `${address}:${port} needs a privilege that this user lacks`
  return error instanceof Error ? error.message : String(error)
}
