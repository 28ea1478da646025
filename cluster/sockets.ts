import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Server } from 'node:net'

/** Sockets that somebody else has opened to listen on, by file descriptor. */
export interface Inherited {
  gateway?: number
  admin?: number
}

const FIRST = 3

/**
 * As systemd hands them over (sd_listen_fds(3)), and so does a gateway to its successor: the first is the gateway's and
 * the second the operators', unless they have names.
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
 * The same program again, of what is on disk by now, on the same sockets: no connection is lost between the two. Resolves
 * once it is ready. @throws if it ends before that.
 */
export async function startSuccessor(gateway: Server, admin: Server): Promise<number> {
  const { LISTEN_PID, ...env } = process.env
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    env: { ...env, LISTEN_FDS: '2', LISTEN_FDNAMES: 'gateway:admin' },
    stdio: ['inherit', 'inherit', 'inherit', fdOf(gateway), fdOf(admin), 'ipc']
  })
  const [how] = await Promise.race([once(child, 'message'), once(child, 'exit')])
  if (how !== READY) throw new Error(`the successor did not start: it ended with ${how}`)
  child.disconnect()
  child.unref()
  return child.pid as number
}

/** What a successor, or whatever else was started with a channel, tells whoever has started it. */
export const READY = 'ready'

/** There is no public way to it. */
function fdOf(server: Server): number {
  return (server as Server & { _handle: { fd: number } })._handle.fd
}
