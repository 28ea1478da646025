import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'

/** Results of a load at a constant rate. */
export interface LoadResult {
  sent: number
  /** Milliseconds to the end of each response. */
  times: number[]
  /** Counts by status or error code. */
  results: Record<string, number>
}

/**
 * Sends `rate` GETs per second until `until` settles, then waits for all responses. Slow responses do not delay further
 * requests.
 */
export async function sendSteadily(url: string, rate: number, until: Promise<unknown>): Promise<LoadResult> {
  const { origin, pathname } = new URL(url)
  const pool = new Pool(origin, { connections: 256 })
  const load: LoadResult = { sent: 0, times: [], results: {} }
  const pending = new Set<Promise<void>>()
  let isOver = false
  until.finally(() => {
    isOver = true
  })
  const startedAt = performance.now()
  while (!isOver) {
    for (; load.sent < ((performance.now() - startedAt) / 1_000) * rate; load.sent++) {
      const one: Promise<void> = send().finally(() => pending.delete(one))
      pending.add(one)
    }
    await sleep(2)
  }
  await Promise.all(pending)
  await pool.close()
  return load

  async function send(): Promise<void> {
    const sentAt = performance.now()
    let result: string
    try {
      const { statusCode, body } = await pool.request({ method: 'GET', path: pathname })
      await body.dump({ limit: 2 ** 24 })
      load.times.push(performance.now() - sentAt)
      result = String(statusCode)
    } catch (error) {
      result = (error as NodeJS.ErrnoException).code ?? 'error'
    }
    load.results[result] = (load.results[result] ?? 0) + 1
  }
}

/** Returns the value below which the fraction `q` of the values is. */
export function quantile(values: number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}
