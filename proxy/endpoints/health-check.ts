import type { Dispatcher } from 'undici'
import type { HealthOptions } from '../../schemas/options/endpoints.ts'
import { createPool, type PoolOptions, type Target } from './connection-pool.ts'
import type { CheckState } from './endpoint.ts'

/** Bytes of a response body that a check reads. */
const MAX_BODY = 65_536

export interface Checks extends CheckState {
  close(): Promise<void>
}

/**
 * Active health checks: requests a path every `interval` ms over a new connection, which also finds services that accept
 * no connections. A check starts after the previous one has ended.
 *
 * @param onChange called after `unhealthy` failed checks in a row, and after each passed check from the `healthy`th on
 */
export function startChecks(
  target: Target,
  options: PoolOptions & { health: HealthOptions },
  onChange: (isHealthy: boolean, fault?: Error) => void
): Checks {
  const { path, interval, timeout, healthy, unhealthy, status } = options.health
  const pool = createPool(target, { ...options, connections: 1, connectTimeout: timeout })
  const request: Dispatcher.RequestOptions = {
    path: target.base + path,
    method: 'GET',
    headers: { accept: '*/*', 'user-agent': 'sluice-health' },
    reset: true
  }
  const checks = { passed: 0, failed: 0, close }
  let isClosed = false
  // Jitter, so that checks of several endpoints and gateways do not coincide.
  let timer = setTimeout(check, interval * Math.random()).unref()
  return checks

  async function check(): Promise<void> {
    try {
      const { statusCode, body } = await pool.request({ ...request, signal: AbortSignal.timeout(timeout) })
      let size = 0
      for await (const chunk of body) {
        size += chunk.length
        if (size > MAX_BODY) break
      }
      settle(isGood(statusCode) ? undefined : new Error(`the check got ${statusCode}`))
    } catch (error) {
      settle(error as Error)
    }
    if (!isClosed) timer = setTimeout(check, interval * (0.9 + 0.1 * Math.random())).unref()
  }

  function isGood(statusCode: number): boolean {
    return status === undefined ? statusCode >= 200 && statusCode < 300 : status.includes(statusCode)
  }

  function settle(fault: Error | undefined): void {
    if (isClosed) return
    if (fault === undefined) {
      checks.failed = 0
      if (++checks.passed >= healthy) onChange(true)
    } else {
      checks.passed = 0
      if (++checks.failed === unhealthy) onChange(false, fault)
    }
  }

  async function close(): Promise<void> {
    isClosed = true
    clearTimeout(timer)
    await pool.destroy()
  }
}
