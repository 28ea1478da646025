import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Server } from 'node:net'

/** File descriptors of listening sockets that another process has opened. */
export interface Inherited {
  gateway?: number
  admin?: number
}

const FIRST = 3

/**
 * Returns inherited sockets, from systemd (sd_listen_fds(3)) or from a gateway that hands over. Without names, the first
 * is the gateway's and the second the admin API's.
 */
export function inheritedSockets(env: NodeJS.ProcessEnv): Inherited {
  const { LISTEN_FDS = '0', LISTEN_PID = String(process.pid), LISTEN_FDNAMES = '' } = env
  if (LISTEN_PID !== String(process.pid)) return {}
  const names = LISTEN_FDNAMES.split(':')
  const isNamed = names.includes('gateway') || names.includes('admin')
  const found: Inherited = {}
  for (let i = 0; i < Number(LISTEN_FDS); i++) {
    const name = isNamed ? names[i] : (['gateway', 'admin'] as const)[i]
    if (name === 'gateway' || name === 'admin') found[name] = FIRST + i
  }
  return found
}

/**
 * Starts this program again, as it is on disk now, on the same sockets, so that no connection is lost. Resolves with its
 * pid when it is ready.
 * @throws if it ends before
 */
export async function startSuccessor(gateway: Server, admin: Server): Promise<number> {
  const { LISTEN_PID, ...env } = process.env
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    env: { ...env, LISTEN_FDS: '2', LISTEN_FDNAMES: 'gateway:admin' },
    stdio: ['inherit', 'inherit', 'inherit', fdOf(gateway), fdOf(admin), 'ipc']
  })
  const [how] = await Promise.race([once(child, 'message'), once(child, 'exit')])
  if (how !== READY) throw new Error(`the new process did not start: exit code ${how}`)
  child.disconnect()
  child.unref()
  return child.pid as number
}

/** Message of a process to its parent, if that opened a channel. */
export const READY = 'ready'

/** Node has no public API for a server's file descriptor. */
function fdOf(server: Server): number {
  return (server as Server & { _handle: { fd: number } })._handle.fd
}
