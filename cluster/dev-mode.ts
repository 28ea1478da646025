import type { LogFormat } from '../observe/logger.ts'
import type { GatewayConfig } from '../schemas/options/gateway.ts'

/** How a gateway runs under `sluice dev`. */
export interface DevMode {
  log: LogFormat
}

/** ms that open requests get when code is replaced: nobody but the developer waits for them. */
const DRAIN_TIMEOUT = 1_000

/** Logs paths, and closes idle connections at once, so that a client's next request gets the new code. */
export function forDevelopment(config: GatewayConfig): GatewayConfig {
  return {
    ...config,
    log: { ...config.log, path: true },
    drain: { delay: 0, timeout: DRAIN_TIMEOUT, idle: 0 }
  }
}
