import type { ServedRoute } from '../../observe/served-routes.ts'
import type { GatewayConfig } from '../../schemas/options/gateway.ts'
import type { DryRun } from '../dry-run.ts'

/** A setting that is valid, but unsafe or likely wrong. */
export interface Finding {
  code: string
  /** Errors are unsafe or cannot work; warnings may be intended. */
  severity: 'error' | 'warning'
  /** JSON pointer into the config, with the route if the finding is about one; or `file:line`. */
  path: string
  why: string
  fix: string
}

export interface AuditInput {
  config: GatewayConfig
  routes: ServedRoute[]
  dryRun: DryRun
  /** Path of the config file. */
  file: string
  /** Text of the config file. */
  source: string
  env: NodeJS.ProcessEnv
  /** Epoch milliseconds. */
  now: number
}

export function routePath({ scope, version, methods, path }: ServedRoute): string {
  return `/scopes/${scope}${version === undefined ? '' : `/versions/${version}`} ${methods.join(',')} ${path}`
}
