import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { ClusterStatus, ReloadOutcome } from '../../cluster/cluster-types.ts'
import { SOURCES } from '../process.ts'
import type { LoadStats } from './load-stats.ts'

/** Starts a script of this folder that sends `{ port }` when it is ready. */
export async function startScript(
  file: string,
  env: Record<string, string>
): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, [SOURCES, fileURLToPath(new URL(file, import.meta.url))], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  const [message] = await Promise.race([once(child, 'message'), once(child, 'exit')])
  if (typeof message !== 'object' || message === null) throw new Error(`${file} exited with ${message}`)
  return { child, port: (message as { port: number }).port }
}

/** Returns the stats of the load process since the last call; `stop` also stops it. */
export async function takeStats(load: ChildProcess, command: 'take' | 'stop' = 'take'): Promise<LoadStats> {
  load.send(command)
  const [stats] = await once(load, 'message')
  return stats as LoadStats
}

/** Starts `server.ts` with a config file. */
export async function startGateway(file: string, env: Record<string, string>): Promise<ChildProcess> {
  const child = spawn(process.execPath, [SOURCES, 'server.ts', '--config', file], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  const [message] = await Promise.race([once(child, 'message'), once(child, 'exit')])
  if (message !== 'ready') throw new Error(`the gateway exited with ${message}`)
  return child
}

export async function statusOf(admin: string): Promise<ClusterStatus> {
  return (await (await fetch(`${admin}/cluster`)).json()) as ClusterStatus
}

export async function reload(admin: string): Promise<ReloadOutcome> {
  const response = await fetch(`${admin}/reload`, { method: 'POST' })
  return { ...((await response.json()) as ReloadOutcome), outcome: response.ok ? 'done' : 'failed' }
}
