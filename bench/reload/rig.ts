import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { ClusterStatus, ReloadOutcome } from '../../cluster/cluster-types.ts'
import type { Tally } from './tally.ts'

/** A process that tells its port once it is up. */
export async function startChild(
  file: string,
  env: Record<string, string>
): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, [fileURLToPath(new URL(file, import.meta.url))], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  const [message] = await Promise.race([once(child, 'message'), once(child, 'exit')])
  if (typeof message !== 'object' || message === null) throw new Error(`${file} ended with ${message}`)
  return { child, port: (message as { port: number }).port }
}

/** What the load has seen since it was last asked. */
export async function ask(load: ChildProcess, what: 'tell' | 'stop'): Promise<Tally> {
  load.send(what)
  const [tally] = await once(load, 'message')
  return tally as Tally
}

/** `server.ts`, as it is run. */
export async function startGateway(file: string, env: Record<string, string>): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['server.ts', '--config', file], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  const [message] = await Promise.race([once(child, 'message'), once(child, 'exit')])
  if (message !== 'ready') throw new Error(`the gateway ended with ${message}`)
  return child
}

export async function status(admin: string): Promise<ClusterStatus> {
  return (await (await fetch(`${admin}/cluster`)).json()) as ClusterStatus
}

export async function reload(admin: string): Promise<ReloadOutcome> {
  const answer = await fetch(`${admin}/reload`, { method: 'POST' })
  return { ...((await answer.json()) as ReloadOutcome), outcome: answer.ok ? 'done' : 'failed' }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
