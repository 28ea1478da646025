import type { GatewayConfig } from '../../schemas/options/gateway.ts'
import type { Rehearsal } from '../rehearsal.ts'
import type { ServedRoute } from '../table.ts'

/** What is valid, and yet likely wrong. */
export interface Finding {
  code: string
  /** An error is unsafe or cannot work; a warning may be meant. */
  severity: 'error' | 'warning'
  /** JSON pointer into the config, followed by the route if it is of one; or a file and its line. */
  path: string
  why: string
  mend: string
}

export interface Subject {
  config: GatewayConfig
  /** What the gateway serves that the config makes. */
  routes: ServedRoute[]
  rehearsal: Rehearsal
  file: string
  /** Of the file. */
  source: string
  env: NodeJS.ProcessEnv
  /** Epoch ms. */
  now: number
}

export function routePath({ scope, version, methods, path }: ServedRoute): string {
  return `/scopes/${scope}${version === undefined ? '' : `/versions/${version}`} ${methods.join(',')} ${path}`
}
