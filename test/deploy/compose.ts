import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { buildGo } from '../go.ts'

/** Reads deploy/compose.yaml with Compose's own library. */

export const deploy = join(import.meta.dirname, '../../deploy')
const PROGRAM = join(import.meta.dirname, '../../.tap/compose-config')

export interface ComposeService {
  image: string
  user?: string
  read_only?: boolean
  cap_drop?: string[]
  security_opt?: string[]
  mem_limit?: string
  pids_limit?: number
  restart?: string
  network_mode?: string
  networks?: Record<string, unknown>
  ports?: { host_ip?: string; target: number }[]
  environment?: Record<string, string>
  secrets?: { source: string }[]
  volumes?: { type: string; source: string; read_only?: boolean }[]
  healthcheck?: { test: string[] }
  stop_grace_period?: string
}

export interface ComposeProject {
  services: Record<string, ComposeService>
  networks: Record<string, { internal?: boolean }>
  secrets: Record<string, { file: string }>
}

/** Builds the program if its sources have changed: for half a minute the first time. */
export function buildComposeReader(): void {
  buildGo(join(import.meta.dirname, 'compose'), PROGRAM)
}

/** @throws with Compose's message if the file is not valid */
export function readCompose(file: string, env: NodeJS.ProcessEnv = {}): ComposeProject {
  const { status, stdout, stderr } = spawnSync(PROGRAM, [file], { env, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}
