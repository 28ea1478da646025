import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'

/** What a steady load saw: it does not wait for answers, so one that is late holds no other up. */
export interface Load {
  sent: number
  /** Milliseconds, of those that were answered to the end. */
  times: number[]
  /** By status, or an error's code. */
  results: Record<string, number>
}

/** `rate` GETs a second of `url`, until `until` is over and all of them have ended. */
export async function steadily(url: string, rate: number, until: Promise<unknown>): Promise<Load> {
  const { origin, pathname } = new URL(url)
  const pool = new Pool(origin, { connections: 256 })
  const load: Load = { sent: 0, times: [], results: {} }
  const open = new Set<Promise<void>>()
  let isOver = false
  until.finally(() => {
    isOver = true
  })
  const startedAt = performance.now()
  while (!isOver) {
    for (; load.sent < ((performance.now() - startedAt) / 1_000) * rate; load.sent++) {
      const one: Promise<void> = once().finally(() => open.delete(one))
      open.add(one)
    }
    await sleep(2)
  }
  await Promise.all(open)
  await pool.close()
  return load

  async function once(): Promise<void> {
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

/** The value below which `share` of them are. */
export function quantile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
